import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assertFree, portsFrom } from '../../deploy/embedded/ports.ts';
import { freeBase, scratchFolder } from './scratch.ts';

const command = fileURLToPath(new URL('../../deploy/embedded/start.ts', import.meta.url));

type Start = {
  process: ChildProcess;
  said(): string;
  says(what: RegExp): Promise<void>;
  ended: Promise<number | null>;
};

function start(folder: string, args: string[]): Start {
  const child = spawn(process.execPath, [command, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  const ended = once(child, 'exit').then(([code]): number | null => code);
  const says = async (what: RegExp) => {
    while (!what.test(said)) {
      const over = await Promise.race([once(child.stdout, 'data').then(() => false), ended.then(() => true)]);
      assert.ok(!over || what.test(said), `ended without saying ${what}:\n${said}`);
    }
  };
  return { process: child, said: () => said, says, ended };
}

describe('npm start', () => {
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let base: number;
  const started: Start[] = [];
  const startHere = (...args: string[]) => {
    const one = start(scratch.path, ['--port', String(base), ...args]);
    started.push(one);
    return one;
  };
  const inHome = (name: string) => join(scratch.path, '.freehold', name);
  const ask = async (path: string): Promise<{ items: Record<string, string>[] }> => {
    const key = (await readFile(inHome('operator-key'), 'utf8')).trim();
    const answer = await fetch(`http://127.0.0.1:${base}${path}`, {
      headers: { Authorization: `Bearer ${key}` },
    });
    // The few fields looked at below are texts.
    return answer.json() as Promise<{ items: Record<string, string>[] }>;
  };
  before(async () => {
    scratch = await scratchFolder();
    base = await freeBase(11);
  });
  after(async () => {
    for (const one of started) one.process.kill('SIGTERM');
    await Promise.all(started.map((one) => one.ended));
    await scratch.remove();
  });

  it('R1.1 onboards two tenants in two regions, though it is killed half-way and started again', async function () {
    this.timeout(120_000);
    const first = startHere();
    await first.says(/Onboarding Acme/);
    first.process.kill('SIGKILL');
    await first.ended;
    assert.ok(!existsSync(inHome('demo/done')));

    const second = startHere();
    await second.says(/Freehold is running/);
    const tenants = (await ask('/v1/tenants')).items.map(
      ({ slug, region, state }) => `${slug} ${region} ${state}`,
    );
    assert.deepEqual(tenants.sort(), ['acme eu active', 'globex us active']);
    const recipients = (await ask('/v1/mailbox')).items.map(({ to }) => to).join();
    assert.match(recipients, /anna\.berger@acme\.example/);
    assert.match(recipients, /hank\.scorpio@globex\.example/);
  });

  it('R1.1 leaves its addresses and keys for its owner alone, and one run per folder', async () => {
    for (const name of ['endpoints.json', 'operator-key', 'root-key']) {
      assert.equal((await stat(inHome(name))).mode & 0o777, 0o600, name);
    }
    const endpoints = JSON.parse(await readFile(inHome('endpoints.json'), 'utf8'));
    assert.equal(endpoints.api, `http://127.0.0.1:${base}`);
    assert.deepEqual(Object.keys(endpoints.databases), ['system', 'eu-1', 'us-1']);
    const another = startHere();
    assert.equal(await another.ended, 1);
    assert.match(
      another.said(),
      new RegExp(`^Freehold already runs in this folder \\(process \\d+, ${endpoints.api}\\).*\\n$`),
    );
  });

  it('R1.1 stops everything when asked, and onboards nobody again when it is started again', async function () {
    this.timeout(60_000);
    const running = started[1];
    running?.process.kill('SIGINT');
    assert.equal(await running?.ended, 0);
    assert.ok(!existsSync(inHome('endpoints.json')));
    await assertFree(portsFrom(base), true, 0);

    const later = startHere();
    await later.says(/Freehold is running/);
    assert.doesNotMatch(later.said(), /Onboarding/);
    assert.equal((await ask('/v1/tenants')).items.length, 2);
    later.process.kill('SIGTERM');
    assert.equal(await later.ended, 0);
  });
});
