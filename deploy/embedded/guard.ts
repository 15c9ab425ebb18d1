import { type FolderLock, lockFolder } from './folder-lock.ts';
import type { Order, Report } from './guard-channel.ts';
import { launchHere, type ProcessSpec, type Running } from './processes.ts';

/**
 * The parent of every long-running process, so that there is always somebody left to stop them: when the channel to
 * the start command closes, for whatever reason, it stops them all, the newest first, and only then gives the folder
 * free. It does nothing else, so that little can go wrong.
 */
const [home, holder] = process.argv.slice(2);
/** In the order they were asked for. A launch still under way counts: it must be stopped as well. */
const launches = new Map<number, Promise<Running>>();
let lock: FolderLock | undefined;
let stopping = false;

process.on('message', (order) => {
  // Only guard-channel.ts has the other end.
  void obey(order as Order);
});
process.on('disconnect', () => void stopAll());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stopAll());

// Whatever happens to the guard itself, it must not leave its processes behind.
process.on('uncaughtException', (cause) => {
  process.stderr.write(`${cause.stack}\n`);
  void stopAll();
});

if (home && holder) {
  lock = await lockFolder(home, JSON.parse(holder));
  report(lock.taken ? { told: 'locked', unclean: lock.unclean } : { told: 'busy', holder: lock.holder });
} else {
  report({ told: 'locked', unclean: false });
}

async function obey(order: Order): Promise<void> {
  if (order.order === 'stopAll') await stopAll();
  else if (order.order === 'launch') await launch(order.id, order.spec);
  else if (order.order === 'stop') await (await launches.get(order.id))?.stop();
  else (await launches.get(order.id))?.kill(order.signal);
}

async function launch(id: number, spec: ProcessSpec): Promise<void> {
  if (stopping) return;
  const starting = launchHere(spec);
  launches.set(id, starting);
  try {
    const { pid, exited } = await starting;
    report({ told: 'launched', id, pid });
    report({ told: 'exited', id, exit: await exited });
  } catch (cause) {
    report({ told: 'notLaunched', id, reason: cause instanceof Error ? cause.message : String(cause) });
  }
  launches.delete(id);
}

async function stopAll(): Promise<void> {
  if (stopping) return;
  stopping = true;
  const started = await Promise.allSettled([...launches.values()].reverse());
  for (const launched of started) if (launched.status === 'fulfilled') await launched.value.stop();
  if (lock?.taken) lock.release();
  process.exit();
}

function report(message: Report): void {
  if (process.connected) process.send?.(message);
}
