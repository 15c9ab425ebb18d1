import { newId } from '../../models/ids.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { addPerson } from '../../models/tenant/person.ts';
import type { Caller } from './client.ts';
import { type Seeded, seedUsage } from './seeded-meter.ts';

/** A tenant that has worked for months, with habits: weekdays, office hours, a nightly job, some failures. */
const dayMs = 86_400_000;
const gibibyte = 1024 ** 3;

export type Busy = { agents: string[]; users: string[]; key: string; workflow: string };

const agentNames = ['Support triage', 'Invoice reader', 'Release notes', 'Nightly research', 'Old prototype'];

export async function busyTenant(as: Caller, place: Place, days: number, now = Date.now()): Promise<Busy> {
  const made = async (path: string, body: object) =>
    (await as.call<{ id: string }>('POST', path, body)).body.id;
  const agents: string[] = [];
  for (const name of agentNames) agents.push(await made('/v1/agents', { name, model: 'demo' }));
  const key = await made('/v1/api-keys', { name: 'Nightly jobs', kind: 'service', roles: ['viewer'] });
  const definition = { steps: [{ id: 'only', kind: 'condition', if: 'true' }] };
  const workflow = await made('/v1/workflows', { name: 'Month end', definition });
  const users = await people(place);
  const busy = { agents, key, workflow, users };
  const readings = months(busy, days, now);
  await seedUsage(place, readings);
  await countAgainstLimits(place, readings);
  return busy;
}

async function people(place: Place): Promise<string[]> {
  return inTenant(place, async ({ sql }) => {
    const ids: string[] = [];
    for (const name of ['Amal Haddad', 'Jonas Weber', 'Rosa Lindqvist']) {
      const id = newId('usr');
      await addPerson(sql, { id, name, email: `${id}@northwind.example`, state: 'active' });
      ids.push(id);
    }
    return ids;
  });
}

/** As the ledger would have: what was used in this month, and what there is. */
async function countAgainstLimits(place: Place, readings: Seeded[]): Promise<void> {
  const month = new Date().toISOString().slice(0, 7);
  const own = readings.filter(({ at }) => new Date(at).toISOString().startsWith(month));
  const sum = (...names: string[]) =>
    own.filter(({ meter }) => names.includes(meter)).reduce((total, { value = 1 }) => total + value, 0);
  const last = (name: string) => readings.findLast(({ meter }) => meter === name)?.value ?? 0;
  const used: [string, string, number][] = [
    ['plan.runs', `${month}-01T00:00:00Z`, sum('runs')],
    ['plan.tokens', `${month}-01T00:00:00Z`, sum('tokens.input', 'tokens.output')],
    ['plan.agents', 'epoch', last('agents')],
    ['plan.seats', 'epoch', last('seats')],
    ['plan.storageBytes', 'epoch', gibibyte * 4],
  ];
  await inTenant(place, async ({ sql }) => {
    for (const [quota, start, amount] of used)
      await sql(
        `INSERT INTO quota_counters (quota_id, scope_id, window_start, used, reserved) VALUES ($1, '', $2, $3, 0)
         ON CONFLICT (quota_id, scope_id, window_start) DO UPDATE SET used = EXCLUDED.used`,
        [quota, start, amount],
      );
  });
}

/** The same each time: a number between 0 and 1 for each place. */
const noise = (place: number): number => (Math.sin(place * 12.9898) * 43_758.5453) % 1;
const part = (place: number): number => Math.abs(noise(place));

function months(busy: Busy, days: number, now: number): Seeded[] {
  const first = Math.floor(now / dayMs) * dayMs - (days - 1) * dayMs;
  return Array.from({ length: days }, (_, day) => dayOf(busy, first + day * dayMs, day, day / days))
    .flat()
    .filter(({ at }) => at <= now);
}

function dayOf({ agents, users, key, workflow }: Busy, start: number, day: number, along: number): Seeded[] {
  const weekend = [0, 6].includes(new Date(start).getUTCDay());
  const growth = 0.5 + along;
  const worked = agents.slice(0, 4).flatMap((agentId, which) => {
    const nightly = which === 3;
    const busyness =
      (nightly ? 1.1 : weekend ? 0.15 : 1) *
      growth *
      (1 - which * 0.17) *
      (0.75 + 0.5 * part(day * 7 + which));
    const who = nightly ? { keyId: key, workflowId: workflow } : { userId: users[(day + which) % 3] };
    const at = start + (nightly ? 2 : 8 + ((day + which * 3) % 9)) * 3_600_000 + day * 61_000;
    const model = ['claude-large', 'gpt-small', 'mistral-mid'][which % 3];
    return runsOf({ agentId, model, ...who }, at, busyness);
  });
  const level = { at: start + 20 * 3_600_000 };
  return [
    ...worked,
    { meter: 'storage.bytes', ...level, kind: 'runs', value: Math.round(gibibyte * (0.2 + along * 3)) },
    { meter: 'storage.bytes', ...level, kind: 'memory', value: Math.round(gibibyte * (0.1 + along)) },
    { meter: 'seats', ...level, value: 4 + Math.floor(along * 3) },
    { meter: 'agents', ...level, value: 5 },
    ...users.slice(0, weekend ? 1 : 3).map((member): Seeded => ({ meter: 'users.active', ...level, member })),
    { meter: 'compute.worker-seconds', ...level, value: Math.round(900 * growth * (weekend ? 0.3 : 1)) },
    { meter: 'compute.database-seconds', ...level, value: Math.round(120 * growth * (weekend ? 0.3 : 1)) },
    { meter: 'egress.bytes', ...level, value: Math.round(40_000_000 * growth * (0.6 + part(day))) },
  ];
}

/** A burst of runs: how they began, what they read and wrote, how they ended. */
function runsOf(of: Omit<Seeded, 'meter' | 'at'>, from: number, busyness: number): Seeded[] {
  const runs = Math.max(1, Math.round(6 * busyness));
  return Array.from({ length: runs }, (_, run) => {
    const at = from + run * 97_000;
    const ended = part(at / 7919) < 0.07 ? 'failed' : part(at / 104_729) < 0.02 ? 'cancelled' : 'succeeded';
    const input = 9_000 + Math.round(14_000 * part(at / 31));
    const all: Seeded[] = [
      { meter: 'runs', at, ...of },
      { meter: 'runs.concurrent', at, ...of, value: 1 },
      { meter: 'tokens.input', at: at + 3_000, ...of, value: input },
      { meter: 'tokens.cached', at: at + 3_000, ...of, value: Math.round(input * 0.42) },
      { meter: 'tokens.output', at: at + 5_000, ...of, value: Math.round(input / 7) },
      { meter: 'tool-calls', at: at + 6_000, ...of },
      { meter: 'api-calls', at, ...of, kind: 'write' },
      { meter: 'runs.concurrent', at: at + 60_000, ...of, value: -1 },
      { meter: 'runs.ended', at: at + 60_000, ...of, kind: ended },
    ];
    return all;
  }).flat();
}
