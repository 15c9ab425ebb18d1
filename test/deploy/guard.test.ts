import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGuard } from '../../deploy/embedded/guard-channel.ts';
import { lastLines, type ProcessSpec } from '../../deploy/embedded/processes.ts';
import { scratchFolder } from './scratch.ts';

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5000; !condition(); await sleep(20)) {
    assert.ok(Date.now() < deadline, 'waited 5 s in vain');
  }
}

describe('the guard', () => {
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  const spec = (name: string, script: string): ProcessSpec => ({
    title: name,
    command: '/bin/sh',
    args: ['-c', script],
    env: { PATH: '/usr/bin:/bin' },
    logFile: join(scratch.path, `${name}.log`),
    stopSignal: 'SIGTERM',
    stopSeconds: 0.3,
  });
  beforeEach(async () => {
    scratch = await scratchFolder();
  });
  afterEach(() => scratch.remove());

  it('R1.1 stops the newest process first, and kills one that does not listen', async () => {
    const guard = await startGuard(join(scratch.path, 'guard.log'));
    const order = join(scratch.path, 'order');
    const polite = (name: string) =>
      spec(name, `trap 'echo ${name} >> ${order}; exit' TERM; while :; do sleep 0.02; done`);
    const older = await guard.launch(polite('older'));
    const deaf = await guard.launch(spec('deaf', `trap '' TERM; while :; do sleep 0.02; done`));
    const newer = await guard.launch(polite('newer'));
    await sleep(100);
    await guard.stopAll();
    for (const { pid } of [older, deaf, newer]) assert.equal(lives(pid), false);
    assert.equal(lastLines(order, 2), 'newer\nolder');
  });

  it('R1.1 reports how a process ended, and that one could not be started', async () => {
    const guard = await startGuard(join(scratch.path, 'guard.log'));
    const { exited } = await guard.launch(spec('brief', 'echo why; exit 3'));
    assert.deepEqual(await exited, { code: 3, signal: null });
    assert.equal(lastLines(join(scratch.path, 'brief.log'), 1), 'why');
    await assert.rejects(guard.launch({ ...spec('absent', ''), command: '/no/such/program' }), /ENOENT/);
    await guard.stopAll();
  });

  it('R1.1 stops everything and gives the folder free when whoever started it is killed', async () => {
    const channel = new URL('../../deploy/embedded/guard-channel.ts', import.meta.url);
    const starter = `
      import { startGuard } from '${channel}';
      const lock = { home: '${scratch.path}', holder: { pid: process.pid, url: 'http://there' } };
      const guard = await startGuard('${scratch.path}/guard.log', lock);
      const { pid } = await guard.launch(${JSON.stringify(spec('child', 'sleep 60'))});
      process.send(pid);`;
    const parent = fork('-', [], {
      execArgv: ['--input-type=module', '-e', starter],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [pid] = await once(parent, 'message');
    const lock = { home: scratch.path, holder: { pid: process.pid, url: 'http://here' } };
    const refused = await startGuard(join(scratch.path, 'second.log'), lock);
    assert.deepEqual(refused.busy?.holder, { pid: parent.pid, url: 'http://there' });
    await refused.stopAll();

    parent.kill('SIGKILL');
    await once(parent, 'exit');
    const taken = await startGuard(join(scratch.path, 'third.log'), lock);
    assert.equal(taken.busy, undefined);
    await until(() => !lives(pid));
    await taken.stopAll();
  });
});
