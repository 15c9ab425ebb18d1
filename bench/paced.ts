import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Somebody who asks at an even pace whatever becomes of it, in a process of its own. A time counts from when the request
 * was due, so that a server which is slow for a while is not spared those it kept from being sent.
 */
export type Paced = {
  url: string;
  paths: { path: string; token: string }[];
  perSecond: number;
  seconds: number;
};
export type Pace = { milliseconds: number[]; statuses: Record<number, number> };

// Opened before anything counts, and anew each time: a connection that is idle between two measurements is closed.
const warmUps = 8;

process.on('message', async ({ url, paths, perSecond, seconds }: Paced) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const get = getter(agent);
  const [{ path, token } = { path: '/', token: '' }] = paths;
  await Promise.all(Array.from({ length: warmUps }, () => get(new URL(path, url), token)));
  const milliseconds: number[] = [];
  const statuses: Record<number, number> = {};
  const began = performance.now();
  const asked = Array.from({ length: perSecond * seconds }, async (_, at) => {
    const due = began + (at * 1_000) / perSecond;
    await pause(Math.max(0, due - performance.now()));
    const { path, token } = paths[at % paths.length] ?? { path: '/', token: '' };
    const status = await get(new URL(path, url), token);
    milliseconds.push(performance.now() - due);
    statuses[status] = (statuses[status] ?? 0) + 1;
  });
  await Promise.all(asked);
  agent.destroy();
  process.send?.({ milliseconds, statuses } satisfies Pace);
});

/** 0 for what was not answered at all. */
const getter = (agent: Agent) => (url: URL, token: string) =>
  new Promise<number>((resolve) => {
    const headers = { authorization: `Bearer ${token}` };
    request(url, { agent, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    })
      .on('error', () => resolve(0))
      .end();
  });
