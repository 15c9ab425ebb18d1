import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDatabases, type Handed, ownSettings, settingsFor, templates } from './support/environment.ts';
import { startEquipment } from './support/equipment.ts';
import { operatorKey, type Running, runMain, startApi, startWorker } from './support/installation.ts';
import { ensureS3Program } from './support/s3-server.ts';

/**
 * `npm test`: starts the real parts once, migrates template databases, starts one installation that the HTTP tests
 * share, and runs the test files: most side by side, those that stop and kill things one after the other.
 * `npm test -- FILE…` runs only those files.
 */
const say = (line: string) => process.stdout.write(`${line}\n`);
/** Those that take longest begin first, so that nobody waits for one of them in the end. */
const first = ['test/workflows/', 'test/api/openapi-fuzz.test.ts', 'test/temporal/outage.test.ts'];
/** Its S3 server may have to be built first, beside the tests that run together. */
const bucketTest = 'test/activities/bucket-check.test.ts';
const alone = ['test/faults/', 'test/deploy/', bucketTest];

const among = (beginnings: string[]) => (file: string) =>
  beginnings.some((beginning) => file.startsWith(beginning));

type Counts = { passes: number; failures: number; pending: number };

async function filesToRun(): Promise<string[]> {
  const asked = process.argv.slice(2);
  if (asked.length > 0) return asked;
  const files = (await Array.fromAsync(glob('test/**/*.test.ts'))).sort();
  return [...files.filter(among(first)), ...files.filter((file) => !among(first)(file))];
}

async function mocha(files: string[], parallel: boolean, given: Handed, directory: string): Promise<Counts> {
  if (files.length === 0) return { passes: 0, failures: 0, pending: 0 };
  const report = join(directory, `report-${randomBytes(3).toString('hex')}.json`);
  const args = [
    '--config',
    'test/mocharc.json',
    ...(parallel ? ['--parallel', '--jobs', '3'] : []),
    ...files,
  ];
  const child = spawn(process.execPath, ['node_modules/mocha/bin/mocha.js', ...args], {
    stdio: 'inherit',
    env: { ...process.env, FREEHOLD_TEST: JSON.stringify(given), FREEHOLD_TEST_REPORT: report },
  });
  await new Promise((resolve) => child.once('exit', resolve));
  try {
    return JSON.parse(await readFile(report, 'utf8')) as Counts; // written by test/support/reporter.cjs
  } catch {
    return { passes: 0, failures: 1, pending: 0 };
  }
}

/** What the shared API and workers complained of, for whoever reads a failed run. */
function errorsIn(log: string): string {
  const errors = log.split('\n').filter((line) => line.includes('"level":"error"'));
  return errors.slice(-10).join('\n').replaceAll('\\n', '\n');
}

async function main(): Promise<number> {
  const files = await filesToRun();
  // Where it cannot be built, the test says so.
  const s3 = files.includes(bucketTest) ? ensureS3Program(say).catch(() => {}) : undefined;
  say('Starting two Postgres clusters and a Temporal server …');
  const equipment = await startEquipment(say);
  const { postgres, temporal, mailbox } = equipment;
  const base = {
    postgres: { eu: postgres.eu.url, us: postgres.us.url },
    temporalAddress: temporal.address,
    mailbox: { port: mailbox.port, directory: mailbox.directory },
    rootKey: randomBytes(32).toString('base64'),
    demoModels: equipment.demoModels,
  };
  const processes: Running[] = [];
  try {
    await createDatabases(base, templates);
    await runMain(['migrate'], await settingsFor(base, templates, 'freehold'));
    const settings = await ownSettings(base, 'freehold');
    const key = await operatorKey(settings);
    processes.push(...(await Promise.all([startWorker(settings), startApi(settings)])));
    const given: Handed = {
      ...base,
      shared: {
        url: settings.FREEHOLD_PUBLIC_URL ?? '',
        operatorKey: key,
        settings,
        logs: processes.map(({ logFile }) => logFile),
      },
      directory: equipment.directory,
    };
    const isAlone = among(alone);
    const together = await mocha(
      files.filter((file) => !isAlone(file)),
      files.length > 1,
      given,
      equipment.directory,
    );
    await s3;
    const single = await mocha(files.filter(isAlone), false, given, equipment.directory);
    const passed = together.passes + single.passes;
    const failed = together.failures + single.failures;
    const skipped = together.pending + single.pending;
    if (failed > 0) for (const each of processes) say(errorsIn(each.log()));
    say(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
    return failed > 0 || passed === 0 ? 1 : 0;
  } finally {
    await Promise.allSettled(processes.map((each) => each.stop()));
    await equipment.stop();
  }
}

process.exit(await main());
