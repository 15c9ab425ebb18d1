import { startApi } from '../test/support/installation.ts';
import { say, withEquipment } from './equipment.ts';
import { type Furnished, furnishedTenants, readerUrl } from './fill.ts';
import { forked } from './forked.ts';
import type { Load } from './load.ts';
import { perSecond } from './loading.ts';
import { interleaved } from './statistics.ts';
import { report } from './table.ts';

/** An authorised GET of one agent against an Express hello-world and against the same read written plainly by hand. */
const tenantCount = 20;
const agentsEach = 100;
const connections = 16;
const budget = { atLeast: 0.45 };

export async function benchHttp(asked: { repetitions: number; seconds: number }): Promise<boolean> {
  return withEquipment(async ({ settings }) => {
    const tenants = await furnishedTenants('eu', 'eu-1', tenantCount, agentsEach);
    const [api, peers, load] = [
      await startApi({ ...settings, NODE_ENV: 'production' }),
      forked(new URL('./http-peers.ts', import.meta.url)),
      forked(new URL('./load.ts', import.meta.url)),
    ];
    try {
      const port = await peers.ask<number>({
        urls: Object.fromEntries(tenants.map(({ place }) => [place.tenantId, readerUrl(place)])),
      });
      say(`${tenantCount} tenants, ${connections} connections, ${asked.seconds} s each; one moment …`);
      const under = (url: string, folder: string) => async () =>
        perSecond(load, { url, paths: pathsOf(tenants, folder), connections, seconds: asked.seconds });
      const product = under(settings.FREEHOLD_PUBLIC_URL ?? '', '/v1/agents');
      const results = await interleaved(
        [
          { name: 'floor', measure: under(`http://127.0.0.1:${port}`, '/hello') },
          { name: 'product', measure: product },
          { name: 'peer', measure: under(`http://127.0.0.1:${port}`, '/v1/agents') },
        ],
        asked.repetitions,
        1,
      );
      const values = (name: string) => results.get(name) ?? [];
      const floor = values('floor');
      return await report('http', [
        { what: 'Express hello-world (floor)', unit: 'req/s', values: floor },
        { what: 'the same read by hand, pipelined', unit: 'req/s', values: values('peer'), floor },
        { what: 'GET /v1/agents/{id}', unit: 'req/s', values: values('product'), floor, budget },
      ]);
    } finally {
      await Promise.all([api.stop(), peers.stop(), load.stop()]);
    }
  });
}

function pathsOf(tenants: Furnished[], folder: string): Load['paths'] {
  return tenants.flatMap(({ token, agentIds }) =>
    agentIds.slice(0, 5).map((id) => ({ path: `${folder}/${id}`, token })),
  );
}
