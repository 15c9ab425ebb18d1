import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A part of a bench in a process of its own, told and asked over IPC. It ends when we disconnect, or are gone. */
export type Forked = {
  process: ChildProcess;
  ask: <T>(question: object) => Promise<T>;
  stop: () => Promise<void>;
};

export function forked(module: URL): Forked {
  const child = fork(fileURLToPath(module), { env: { ...process.env, NODE_ENV: 'production' } });
  const exited = once(child, 'exit');
  const ended = exited.then(([code]) => {
    throw new Error(`${module.pathname} ended with ${code}`);
  });
  ended.catch(() => {});
  return {
    process: child,
    async ask<T>(question: object) {
      child.send(question);
      const [answer] = await Promise.race([once(child, 'message'), ended]);
      return answer as T; // the module on the other side declares what it sends
    },
    async stop() {
      child.kill();
      await exited;
    },
  };
}
