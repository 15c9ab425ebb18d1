import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { ensureInstalled, folderOf } from './installed.ts';

/**
 * Schemathesis: requests made from the OpenAPI document, answers compared with it. Installed once with pip into the
 * cache that all clones share; needs Python 3.10 or later.
 */
const version = '4.32.5';
const run = promisify(execFile);
const schemathesis = {
  name: 'schemathesis',
  version,
  part: 'schemathesis',
  needs: 'python3 with pip and PyPI',
  install: (directory: string) =>
    run('python3', [
      ...['-m', 'pip', 'install', '--quiet', '--target', directory],
      `schemathesis==${version}`,
    ]),
};

export const ensureFuzzer = (): Promise<string> => ensureInstalled(schemathesis);

/** What it checks of every answer: no 5xx, nothing the document does not promise, bad requests refused. */
const checks = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'unsupported_method',
];

/**
 * A request for every bound of every field; requests made up at random, alone and one upon another; or the latter, fewer
 * of each operation.
 */
const depths = {
  bounds: ['--phases', 'examples,coverage', '-n', '5'],
  'at random': ['--phases', 'fuzzing,stateful', '-n', '5'],
  'a few at random': ['--phases', 'fuzzing,stateful', '-n', '2'],
};
export type Depth = keyof typeof depths;

/** Far more than it takes on a quiet machine. What is not done by then is ended, and has failed. */
export const fuzzMaxMs = 420_000;

export type Fuzzed = { code: number | null; said: string; requests: number; report: string };

/** Asks every operation as whoever holds this token. The report holds every request and answer, a line each. */
export async function fuzz(
  url: string,
  token: string,
  { depth, directory }: { depth: Depth; directory: string },
): Promise<Fuzzed> {
  const report = join(directory, `${token.slice(-8)}.ndjson`);
  const args = [
    ...['run', `${url}/v1/openapi.json`, '--no-color', '--seed', '1', ...depths[depth]],
    ...['-H', `Authorization: Bearer ${token}`, '-c', checks.join(','), '--generation-database', 'none'],
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
    timeout: fuzzMaxMs,
    env: { ...process.env, PYTHONPATH: folderOf(schemathesis) },
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [said, complaints, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const requests = Number(/(\d+) generated/.exec(said)?.[1] ?? 0);
  return { code, said: said + complaints, requests, report };
}
