import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { send } from '../test/support/client.ts';
import { operatorKey, type Running, startApi, startWorker } from '../test/support/installation.ts';
import { asked, freshSlug, type Shown } from '../test/support/tenants.ts';
import { say, withEquipment } from './equipment.ts';
import { enlist, type Furnished, fillCell, furnish, newPlaces } from './fill.ts';
import { forked } from './forked.ts';
import { report } from './table.ts';

/**
 * Resident memory of API and worker at rest, with many tenants there, after a sample of them was used: each was read
 * from over HTTP, and some were onboarded, so that everything that is made at first use has been made.
 */
const sample = 200;
const onboarded = 5;
const budgetMegabytes = 400;
const settleMs = 20_000;
const readings = 5;

export function benchMemory({ tenants: count }: { tenants: number }): Promise<boolean> {
  return withEquipment(async ({ settings, config }) => {
    say(`Making ${count} tenants …`);
    const places = newPlaces(count, 'eu-1');
    await fillCell('eu-1', places);
    await enlist('eu', places);
    const used: Furnished[] = [];
    for (const place of places.slice(0, sample)) used.push(await furnish(place, 5));
    const production = { ...settings, NODE_ENV: 'production' };
    const key = await operatorKey(settings);
    const [worker, api] = await Promise.all([startWorker(production), startApi(production)]);
    const hello = forked(new URL('./http-peers.ts', import.meta.url));
    try {
      await hello.ask({ urls: {} });
      await touch(config.publicUrl, key, used);
      say(`Touched ${used.length} tenants, onboarded ${onboarded}; settling …`);
      await pause(settleMs);
      const floor = await megabytesOf(hello.process.pid);
      return await report(
        'memory',
        [
          { what: 'Express hello-world, for comparison', unit: 'MB', values: floor },
          { what: 'API', unit: 'MB', values: await megabytes(api) },
          { what: 'worker', unit: 'MB', values: await megabytes(worker) },
          {
            what: 'API + worker',
            unit: 'MB',
            values: sum(await megabytes(api), await megabytes(worker)),
            budget: { atMost: budgetMegabytes },
          },
        ],
        { tenants: count, sample, onboarded },
      );
    } finally {
      await Promise.all([api.stop(), worker.stop(), hello.stop()]);
    }
  });
}

async function touch(url: string, key: string, used: Furnished[]): Promise<void> {
  for (const { token, agentIds } of used) {
    for (const path of ['/v1/agents', `/v1/agents/${agentIds[0]}`]) {
      const { status, text } = await send(url, 'GET', path, undefined, { authorization: `Bearer ${token}` });
      if (status !== 200) throw new Error(`${path} answered ${status}: ${text}`);
    }
  }
  for (let made = 0; made < onboarded; made++) await onboardOne(url, key);
}

async function onboardOne(url: string, key: string): Promise<void> {
  const headers = { authorization: `Bearer ${key}` };
  const { body } = await send<Shown>(url, 'POST', '/v1/tenants', asked(freshSlug('bench')), headers);
  for (;;) {
    const reply = await send<{ state: string }>(url, 'GET', body.operation.href, undefined, {
      ...headers,
      prefer: 'wait=10',
    });
    if (reply.body.state === 'succeeded') return;
    if (reply.body.state !== 'running') throw new Error(`onboarding ended: ${reply.text}`);
  }
}

const megabytes = (running: Running) => megabytesOf(running.process.pid);

/** As `ps` tells it, which is on every system that Freehold runs on. */
async function megabytesOf(pid: number | undefined): Promise<number[]> {
  const values: number[] = [];
  for (let reading = 0; reading < readings; reading++) {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]);
    values.push(Number(stdout) / 1_024);
    await pause(500);
  }
  return values;
}

const sum = (one: number[], other: number[]) => one.map((value, at) => value + (other[at] ?? 0));
