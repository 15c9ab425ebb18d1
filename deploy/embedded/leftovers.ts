import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { signalTo } from './processes.ts';

type Process = { pid: number; commandLine: string };

const run = promisify(execFile);
const stopSeconds = 20;

/**
 * The second line of defence, for when the guard was killed as well: a server that still works on our files is found
 * by its command line, which names them in full. A pid file would miss the one that was just started, and after a
 * reboot it can name somebody else's process.
 */
export async function stopLeftover(commandPart: string, signal: 'SIGINT' | 'SIGTERM'): Promise<boolean> {
  const find = async () => (await processes()).filter(({ commandLine }) => commandLine.includes(commandPart));
  const found = await find();
  for (const { pid } of found) signalTo(pid, signal);
  const deadline = Date.now() + stopSeconds * 1000;
  for (let left = found; left.length > 0; left = await find()) {
    if (Date.now() > deadline) for (const { pid } of left) signalTo(pid, 'SIGKILL');
    await sleep(50);
  }
  return found.length > 0;
}

/** Not every Linux has `ps`, and no macOS has /proc. */
async function processes(): Promise<Process[]> {
  if (process.platform !== 'linux') {
    const { stdout } = await run('ps', ['-axww', '-o', 'pid=,args=']);
    return stdout.split('\n').map((line) => {
      const [, pid, commandLine] = /^\s*(\d+) (.*)$/.exec(line) ?? [];
      return { pid: Number(pid), commandLine: commandLine ?? '' };
    });
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return Promise.all(
    pids.map(async (pid) => {
      // A process may end while we look; one that is gone has no command line.
      const raw = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return { pid: Number(pid), commandLine: raw.replaceAll('\0', ' ') };
    }),
  );
}
