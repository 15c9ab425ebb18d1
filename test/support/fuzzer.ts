import { execFile, spawn } from 'node:child_process';
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { cacheDirectory } from '../../deploy/embedded/environment.ts';

/**
 * Schemathesis: requests made from the OpenAPI document, answers compared with it. Installed once with pip into the
 * cache that all clones share; needs Python 3.10 or later.
 */
const version = '4.32.5';
const installed = join(cacheDirectory, `schemathesis-${version}`);
const run = promisify(execFile);

/** Installs it unless it is there; throws a sentence when that cannot be done on this machine. */
export async function ensureFuzzer(): Promise<void> {
  const there = await access(join(installed, 'schemathesis')).then(
    () => true,
    () => false,
  );
  if (there) return;
  await mkdir(cacheDirectory, { recursive: true });
  const unfinished = await mkdtemp(join(cacheDirectory, 'making-schemathesis-'));
  try {
    await run('python3', [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--target',
      unfinished,
      `schemathesis==${version}`,
    ]);
    // Somebody else may have been faster; theirs is as good.
    await rename(unfinished, installed).catch(() => {});
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `Schemathesis ${version} cannot be installed; it needs python3 with pip and PyPI: ${why}`,
    );
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** What it checks of every answer: no 5xx, nothing the document does not promise, bad requests refused. */
const checks = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'unsupported_method',
];

/** All there is, or only requests made up at random: the first takes a request for every bound of every field. */
export type Depth = 'everything' | 'at random';

export type Fuzzed = { code: number | null; said: string; requests: number; report: string };

/** Asks every operation as whoever holds this token. The report holds every request and answer, a line each. */
export async function fuzz(
  url: string,
  token: string,
  { depth, directory }: { depth: Depth; directory: string },
): Promise<Fuzzed> {
  const report = join(directory, `${token.slice(-8)}.ndjson`);
  const args = [
    ...['run', `${url}/v1/openapi.json`, '--no-color', '--seed', '1', '-n', '5'],
    ...['-H', `Authorization: Bearer ${token}`, '-c', checks.join(','), '--generation-database', 'none'],
    ...(depth === 'at random' ? ['--phases', 'fuzzing,stateful'] : []),
    ...[
      '--report',
      'ndjson',
      '--report-ndjson-path',
      report,
      '--output-sanitize',
      'false',
      '--warnings',
      'off',
    ],
  ];
  const program = 'import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())';
  const child = spawn('python3', ['-c', program, ...args], {
    cwd: directory,
    env: { ...process.env, PYTHONPATH: installed },
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [said, complaints, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const requests = Number(/(\d+) generated/.exec(said)?.[1] ?? 0);
  return { code, said: said + complaints, requests, report };
}
