import { inTenant } from '../models/scope.ts';
import { createKey } from '../models/tenant/api-key.ts';
import { freePort } from '../test/support/equipment.ts';
import { startApi } from '../test/support/installation.ts';
import { say, withEquipment } from './equipment.ts';
import { type Furnished, furnishedTenants } from './fill.ts';
import { call, type Person, person } from './people.ts';
import { costOfKnowing } from './stale-cost.ts';
import { report } from './table.ts';

/**
 * Two API processes, and rights that change 250 times: by a role's rules, and by who holds it. Every request sent
 * after the change was answered has to be decided by it, whichever process made the change, whichever is asked, by
 * session or by key; requests under way meanwhile keep both processes' memories of the rights before warm.
 */
const changes = 250;
const afterEach = 40;
const meanwhile = 8;

const rules = (staging: boolean) => [
  {
    effect: 'allow',
    action: 'read',
    subject: 'Agent',
    ...(staging && { when: { environment: { any: ['staging'] } } }),
  },
];

export async function benchStale({ repetitions }: { repetitions: number }): Promise<boolean> {
  return withEquipment(async ({ settings }) => {
    const [tenant] = await furnishedTenants('eu', 'eu-1', 1, 1);
    if (!tenant) throw new Error('no tenant was made');
    const [second, secondMetrics] = [String(await freePort()), String(await freePort())];
    const production = { ...settings, NODE_ENV: 'production' };
    const apis = [
      await startApi(production),
      await startApi({ ...production, FREEHOLD_HTTP_PORT: second, FREEHOLD_METRICS_PORT: secondMetrics }),
    ];
    try {
      const stage = await staged(tenant, [settings.FREEHOLD_PUBLIC_URL ?? '', `http://127.0.0.1:${second}`]);
      say(`${changes} changes, ${changes * afterEach} requests after them; one moment …`);
      const stale = await contradictions(stage);
      const cost = await costOfKnowing(tenant, stage.who.token, repetitions);
      return await report('stale', [
        {
          what: `decisions that contradict a change, of ${(changes * afterEach).toLocaleString('en')}`,
          unit: 'stale',
          values: [stale],
          budget: { atMost: 0 },
        },
        ...cost,
      ]);
    } finally {
      await Promise.all(apis.map((api) => api.stop()));
    }
  });
}

type Staged = { urls: string[]; owner: Person; who: Person; tokens: string[]; path: string };

async function staged(tenant: Furnished, urls: string[]): Promise<Staged> {
  const { tenantId } = tenant.place;
  const owner = await person(tenant, { role: 'owner' });
  const role = { name: 'reader', title: 'Reader', rules: rules(false) };
  await call(urls[0] ?? '', owner.token, 'POST', '/v1/roles', role);
  const who = await person(tenant, { role: 'reader' });
  const { token } = await inTenant(tenant.place, (scope) =>
    createKey(scope, tenantId, {
      name: 'bench',
      ownerId: who.id,
      roles: undefined,
      createdBy: who.id,
      expiresAt: null,
    }),
  );
  return { urls, owner, who, tokens: [who.token, token], path: `/v1/agents/${tenant.agentIds[0]}` };
}

/** What is changed in each turn of four, and what a read of the agent, which is in production, is answered then. */
const turns: { method: string; path: (who: Person) => string; body?: object; expected: number }[] = [
  { method: 'PATCH', path: () => '/v1/roles/reader', body: { rules: rules(true) }, expected: 404 },
  { method: 'PATCH', path: () => '/v1/roles/reader', body: { rules: rules(false) }, expected: 200 },
  { method: 'DELETE', path: ({ id }) => `/v1/users/${id}/roles/reader`, expected: 404 },
  { method: 'PUT', path: ({ id }) => `/v1/users/${id}/roles/reader`, expected: 200 },
];

async function contradictions(stage: Staged): Promise<number> {
  const { urls, owner, who } = stage;
  let stale = 0;
  for (let at = 0; at < changes; at++) {
    const turn = turns[at % turns.length];
    if (!turn) throw new Error('there are four turns');
    const underWay = readings(stage, meanwhile);
    await call(urls[(at >> 2) % 2] ?? '', owner.token, turn.method, turn.path(who), turn.body);
    const after = await Promise.all(readings(stage, afterEach));
    stale += after.filter((status) => status !== turn.expected).length;
    await Promise.all(underWay);
  }
  return stale;
}

/** At both processes, by session and by key, evenly. */
function readings({ urls, tokens, path }: Staged, count: number): Promise<number>[] {
  return Array.from({ length: count }, async (_, at) => {
    const token = tokens[(at >> 1) % tokens.length];
    const response = await fetch(new URL(path, urls[at % urls.length]), {
      headers: { authorization: `Bearer ${token}` },
    });
    await response.arrayBuffer();
    if (![200, 404].includes(response.status)) throw new Error(`${path} answered ${response.status}`);
    return response.status;
  });
}
