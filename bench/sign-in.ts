import { hashPassword } from '../models/passwords.ts';
import { startApi } from '../test/support/installation.ts';
import { say, withEquipment } from './equipment.ts';
import { furnishedTenants } from './fill.ts';
import { forked } from './forked.ts';
import type { Asked } from './load.ts';
import { loaded } from './loading.ts';
import { person } from './people.ts';
import { interleaved } from './statistics.ts';
import { report } from './table.ts';

/**
 * POST /v1/sessions against bare argon2 of the same cost, in a process of its own as well. What is left of the
 * latency when the floor's is taken away is the path without argon2.
 */
const tenantCount = 4;
const peopleEach = 15;
const connections = 8;
const password = 'correct horse battery';
// As many as the API lets run at once (models/passwords.ts), which is as many as the machine has cores.
const floorAtOnce = 2;

export async function benchSignIn(asked: { repetitions: number; seconds: number }): Promise<boolean> {
  return withEquipment(async ({ settings }) => {
    const hash = await hashPassword(password);
    const requests = await signIns(hash);
    const [api, bare, load] = [
      await startApi({ ...settings, FREEHOLD_ANONYMOUS_PER_MINUTE: '10000000', NODE_ENV: 'production' }),
      forked(new URL('./sign-in-floor.ts', import.meta.url)),
      forked(new URL('./load.ts', import.meta.url)),
    ];
    const url = settings.FREEHOLD_PUBLIC_URL ?? '';
    const floor = (atOnce: number) => () =>
      bare.ask<number>({ hash, password, atOnce, seconds: asked.seconds });
    const product = (atOnce: number) =>
      loaded(load, { url, paths: requests, connections: atOnce, seconds: asked.seconds });
    say(`${tenantCount * peopleEach} people, ${connections} at once; one moment …`);
    try {
      const results = await interleaved(
        [
          { name: 'floor', measure: floor(floorAtOnce) },
          { name: 'product', measure: async () => (await product(connections)).perSecond },
          { name: 'floor alone', measure: async () => 1_000 / (await floor(1)()) },
          { name: 'product alone', measure: async () => 1_000 / (await product(1)).perSecond },
        ],
        asked.repetitions,
        1,
      );
      return await report(
        'sign-in',
        lines((name) => results.get(name) ?? []),
      );
    } finally {
      await Promise.all([api.stop(), bare.stop(), load.stop()]);
    }
  });
}

function lines(values: (name: string) => number[]) {
  const [floor, alone] = [values('floor'), values('floor alone')];
  const rest = values('product alone').map((ms, at) => ms - (alone[at] ?? 0));
  return [
    { what: `argon2 verify, ${floorAtOnce} at once (floor)`, unit: '/s' as const, values: floor },
    {
      what: `POST /v1/sessions, ${connections} at once`,
      unit: '/s' as const,
      values: values('product'),
      floor,
    },
    { what: 'argon2 verify, one at a time (floor)', unit: 'ms' as const, values: alone },
    {
      what: 'POST /v1/sessions, one at a time',
      unit: 'ms' as const,
      values: values('product alone'),
      floor: alone,
    },
    { what: 'the path without argon2 (the difference)', unit: 'ms' as const, values: rest },
  ];
}

async function signIns(passwordHash: string): Promise<Asked[]> {
  const tenants = await furnishedTenants('eu', 'eu-1', tenantCount, 1);
  const requests: Asked[] = [];
  for (const tenant of tenants) {
    for (let at = 0; at < peopleEach; at++) {
      const { email } = await person(tenant, { role: 'viewer', passwordHash });
      const headers = { 'x-tenant': tenant.place.tenantId };
      requests.push({ path: '/v1/sessions', headers, body: { email, password } });
    }
  }
  return requests;
}
