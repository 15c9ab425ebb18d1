import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './equipment.ts';
import { ensureInstalled, isInstalled } from './installed.ts';
import type { Certified } from './tls-server.ts';

const version = '1.8.0';
const versitygw = {
  name: 'versitygw',
  version,
  part: 'versitygw',
  needs: 'Go, and the module proxy or the cache of it',
  install: (directory: string) => built(`github.com/versity/versitygw/cmd/versitygw@v${version}`, directory),
};

/**
 * versitygw, a strict S3 server on a folder. Built from its source, which takes minutes where that was never done: with
 * the lowest priority, for other tests run meanwhile (test/run.ts).
 */
export async function ensureS3Program(say: (line: string) => void): Promise<string> {
  if (!(await isInstalled(versitygw)))
    say(
      `Building versitygw ${version}, an S3 server for the tests, once for this machine; it takes minutes …`,
    );
  return join(await ensureInstalled(versitygw), versitygw.part);
}

async function built(module: string, directory: string): Promise<void> {
  const making = spawn('go', ['install', module], {
    env: { ...process.env, GOBIN: directory, GOFLAGS: '' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (making.pid !== undefined) setPriority(making.pid, constants.priority.PRIORITY_LOW);
  const complaints = text(making.stderr);
  const [code] = (await once(making, 'close')) as [number | null];
  if (code !== 0) throw new Error((await complaints).trim().slice(-500));
}

export type S3Server = { port: number; data: string; stop: () => void };
export const s3Keys = { accessKeyId: 'test-access-key', secretAccessKey: 'test-secret-key-1234' };

export async function s3Server(program: string, { key, cert }: Certified): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-s3-'));
  const data = join(folder, 'data');
  await mkdir(join(data, 'backups'), { recursive: true });
  await mkdir(join(folder, 'meta'));
  await writeFile(join(folder, 'key'), key);
  await writeFile(join(folder, 'cert'), cert);
  const port = await freePort();
  const files = ['--cert', join(folder, 'cert'), '--key', join(folder, 'key')];
  const child = spawn(
    program,
    ['--port', `127.0.0.1:${port}`, ...files, 'posix', '--sidecar', join(folder, 'meta'), data],
    {
      env: { ROOT_ACCESS_KEY: s3Keys.accessKeyId, ROOT_SECRET_KEY: s3Keys.secretAccessKey },
      stdio: 'ignore',
    },
  );
  const url = `https://127.0.0.1:${port}/`;
  for (let tries = 0; tries < 100; tries++) {
    const answers = await fetch(url).then(
      () => true,
      () => false,
    );
    if (answers) break;
    await pause(50);
  }
  return { port, data, stop: () => child.kill() };
}
