import { startApi } from '../test/support/installation.ts';
import { say, withEquipment } from './equipment.ts';
import { type Furnished, furnishedTenants } from './fill.ts';
import { forked } from './forked.ts';
import type { Asked } from './load.ts';
import { perSecond } from './loading.ts';
import { type Person, person } from './people.ts';
import { interleaved } from './statistics.ts';
import { type Line, report } from './table.ts';

/**
 * What it costs to know who asks and what they may: a row read with a key and with a session, against an anonymous
 * route that reads a row as well. One API process, one load generator, the same number of connections for all.
 */
const tenantCount = 20;
const agentsEach = 5;
const connections = 16;
const budget = { atLeast: 0.7 };

export async function benchAuthorise(asked: { repetitions: number; seconds: number }): Promise<boolean> {
  return withEquipment(async ({ settings }) => {
    const tenants = await furnishedTenants('eu', 'eu-1', tenantCount, agentsEach);
    const people: Person[] = [];
    for (const tenant of tenants) people.push(await person(tenant, { role: 'builder' }));
    const [api, load] = [
      // Anonymous requests are counted by their address; here one address is everybody.
      await startApi({ ...settings, FREEHOLD_ANONYMOUS_PER_MINUTE: '100000000', NODE_ENV: 'production' }),
      forked(new URL('./load.ts', import.meta.url)),
    ];
    const url = settings.FREEHOLD_PUBLIC_URL ?? '';
    const under = (paths: Asked[]) => () =>
      perSecond(load, { url, paths, connections, seconds: asked.seconds });
    say(`${tenantCount} tenants, ${connections} connections, ${asked.seconds} s each; one moment …`);
    try {
      const results = await interleaved(
        [
          { name: 'anonymous', measure: under(tenants.map(anonymous)) },
          { name: 'key', measure: under(tenants.flatMap((tenant) => reads(tenant, tenant.token))) },
          {
            name: 'session',
            measure: under(tenants.flatMap((tenant, at) => reads(tenant, people[at]?.token))),
          },
        ],
        asked.repetitions,
        1,
      );
      return await report(
        'authorise',
        lines((name) => results.get(name) ?? []),
      );
    } finally {
      await Promise.all([api.stop(), load.stop()]);
    }
  });
}

const anonymous = ({ place }: Furnished): Asked => ({
  path: '/v1/context',
  headers: { 'x-tenant': place.tenantId },
});

const reads = ({ agentIds }: Furnished, token = ''): Asked[] =>
  agentIds.map((id) => ({ path: `/v1/agents/${id}`, token }));

function lines(values: (name: string) => number[]): Line[] {
  const floor = values('anonymous');
  return [
    { what: 'GET /v1/context, anonymous (floor)', unit: 'req/s', values: floor },
    { what: 'GET /v1/agents/{id} with a key', unit: 'req/s', values: values('key'), floor, budget },
    { what: 'GET /v1/agents/{id} with a session', unit: 'req/s', values: values('session'), floor, budget },
  ];
}
