import { appendFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { boot, stopLeftovers } from './boot.ts';
import { openDisplay } from './display.ts';
import { startedByNpm } from './environment.ts';
import { type Guard, startGuard } from './guard-channel.ts';
import { type Home, openHome } from './home.ts';
import { help, type Options, readOptions } from './options.ts';
import { PlainError, sentenceFor } from './plain-error.ts';
import { portsFrom } from './ports.ts';

/**
 * `npm start`: everything on this machine, until Ctrl-C. Ends with 0 after a stop that was asked for, with 1 and one
 * sentence otherwise. The order of starting is in boot.ts; who stops what when we are killed, in guard.ts.
 */
const interrupted = Promise.withResolvers<void>();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => interrupted.resolve());
if (startedByNpm) stopWithParent(process.ppid);
// A closed terminal or pipe must not end us before everything is stopped.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

let home: Home | undefined;
try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(help);
  else await runUntilStopped(options);
} catch (cause) {
  complain(cause);
}
process.exit();

async function runUntilStopped(options: Options): Promise<void> {
  home = await openHome(process.cwd());
  const guard = await Promise.race([guardOf(home, options.port), interrupted.promise]);
  if (!guard) return;
  if (guard.busy) throw alreadyRunning(home, guard.busy.holder);
  const display = openDisplay(process.stdout);
  const fallen = Promise.withResolvers<never>();
  const run = {
    home,
    ports: portsFrom(options.port),
    demo: options.demo,
    guard,
    display,
    fallen: fallen.reject,
  };
  try {
    await Promise.race([
      boot(run).then(() => fallen.promise),
      fallen.promise,
      endOf(guard, home),
      interrupted.promise,
    ]);
    display.close();
    process.stdout.write('\nStopping everything …\n');
    await stop(home, guard);
    process.stdout.write('Freehold is stopped; its data is kept.\n');
  } catch (cause) {
    // The reason first: stopping the rest may take some seconds.
    display.close();
    complain(cause);
    await stop(home, guard);
  }
}

async function guardOf({ directory, log }: Home, port: number): Promise<Guard> {
  const slow = setTimeout(
    () => process.stdout.write('The last run is still being stopped; waiting for it …\n'),
    1500,
  );
  const holder = { pid: process.pid, url: `http://127.0.0.1:${port}` };
  const guard = await startGuard(log('guard'), { home: directory, holder });
  clearTimeout(slow);
  return guard;
}

async function endOf(guard: Guard, { log }: Home): Promise<never> {
  await guard.ended;
  throw new PlainError(`The guard process, which keeps all others, was ended. Its log is ${log('guard')}.`);
}

/** A killed npm leaves its script to itself; all that can be seen of it is that we have another parent. */
function stopWithParent(parent: number): void {
  setInterval(() => process.ppid === parent || interrupted.resolve(), 500).unref();
}

async function stop(stopped: Home, guard: Guard): Promise<void> {
  await rm(stopped.endpoints, { force: true });
  await guard.stopAll();
  // Usually there are none: only if the guard was killed before it could stop them.
  await stopLeftovers(stopped);
}

function alreadyRunning({ directory }: Home, holder: { pid: number; url: string } | undefined): PlainError {
  const who = holder ? ` (process ${holder.pid}, ${holder.url})` : '';
  return new PlainError(
    `Freehold already runs in this folder${who}, with its data in ${directory}: use that one, or stop it with Ctrl-C in its terminal first.`,
  );
}

function complain(cause: unknown): void {
  process.stderr.write(`${explain(cause)}\n`);
  process.exitCode = 1;
}

function explain(cause: unknown): string {
  const directory = home?.directory ?? process.cwd();
  const sentence = sentenceFor(cause, directory);
  if (sentence) return sentence;
  const stack = cause instanceof Error ? cause.stack : String(cause);
  if (!home) return `Freehold could not start, by a fault of its own: ${stack}`;
  const log = home.log('start');
  appendFileSync(log, `${new Date().toISOString()} ${stack}\n`, { mode: 0o600 });
  const message = cause instanceof Error ? cause.message : cause;
  return `Freehold could not start, by a fault of its own (${message}); the details for a report are in ${log}.`;
}
