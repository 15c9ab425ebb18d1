import { inTenant } from '../models/scope.ts';
import { startApi } from '../test/support/installation.ts';
import { say, withEquipment } from './equipment.ts';
import { type Furnished, furnishedTenants } from './fill.ts';
import { type Forked, forked } from './forked.ts';
import { linesOfRuns } from './noisy-runs.ts';
import type { Pace, Paced } from './paced.ts';
import { interleaved, quantile } from './statistics.ts';
import { type Line, report } from './table.ts';

/**
 * One tenant at its share and at twenty times its share, and what nine others notice: the 99th percentile of theirs, one
 * after the other many times in one run. Over HTTP once over what the noisy one's plan gives, where most is refused, and
 * once within a larger plan, where every request is answered, which is no more than its share and has no budget; and over runs.
 */
const others = 9;
const eachPerSecond = 40;
const times = 20;
// What a free plan gives.
const planPerSecond = 10;
const budget = { atMost: 1.2 };

type Asked = { repetitions: number; seconds: number };

export async function benchNoisy(asked: Asked): Promise<boolean> {
  return withEquipment(async (bench) => {
    const overHttp = await report('noisy-http', await linesOfHttp(bench.settings, asked));
    const overRuns = await report('noisy-runs', await linesOfRuns(bench, asked));
    return overHttp && overRuns;
  });
}

async function linesOfHttp(settings: Record<string, string>, asked: Asked): Promise<Line[]> {
  const [within, over, ...calmOnes] = await furnishedTenants('eu', 'eu-1', others + 2, 20);
  if (!within || !over) throw new Error('no tenants were made');
  for (const each of calmOnes) await onPlan(each, 'team');
  await onPlan(within, 'business');
  await onPlan(over, 'free');
  const api = await startApi({ ...settings, NODE_ENV: 'production' });
  const [calm, noise] = [
    forked(new URL('./paced.ts', import.meta.url)),
    forked(new URL('./paced.ts', import.meta.url)),
  ];
  const peers = forked(new URL('./http-peers.ts', import.meta.url));
  const elsewhere = `http://127.0.0.1:${await peers.ask<number>({ urls: {} })}`;
  const url = settings.FREEHOLD_PUBLIC_URL ?? '';
  const { seconds } = asked;
  const paced = (by: Forked, tenants: Furnished[], perSecond: number) =>
    by.ask<Pace>({ url, paths: tenants.flatMap(pathsOf), perSecond, seconds } satisfies Paced);
  /** As many requests to somebody else's server: what the machine alone makes of the noise. */
  const besideElsewhere = (perSecond: number) => async () => {
    const paths = [{ path: '/hello/1', token: '' }];
    const noisy = noise.ask<Pace>({ url: elsewhere, paths, perSecond, seconds } satisfies Paced);
    const [value] = await Promise.all([quiet(), noisy]);
    return value;
  };
  const quiet = async () => p99(await paced(calm, calmOnes, others * eachPerSecond));
  const beside = (noisy: Furnished, perSecond: number) => async () => {
    const [value, { statuses }] = await Promise.all([quiet(), paced(noise, [noisy], perSecond)]);
    answered.set(perSecond, statuses);
    return value;
  };
  const answered = new Map<number, Pace['statuses']>();
  try {
    say(
      `${others} tenants at ${eachPerSecond} requests a second each, another at its share and at ${times} times it …`,
    );
    const results = await interleaved(
      [
        { name: 'quiet', measure: beside(within, eachPerSecond) },
        { name: 'elsewhere, few', measure: besideElsewhere(times * planPerSecond) },
        { name: 'over', measure: beside(over, times * planPerSecond) },
        { name: 'elsewhere, many', measure: besideElsewhere(times * eachPerSecond) },
        { name: 'within', measure: beside(within, times * eachPerSecond) },
      ],
      asked.repetitions,
      2,
    );
    say(`What the noisy ones were answered at last: ${JSON.stringify(Object.fromEntries(answered))}`);
    return linesFrom((name) => results.get(name) ?? []);
  } finally {
    await Promise.all([api.stop(), calm.stop(), noise.stop(), peers.stop()]);
  }
}

function linesFrom(values: (name: string) => number[]): Line[] {
  const unit = 'ms' as const;
  const floor = values('quiet');
  const asMany = (perSecond: number) => `beside ${perSecond} a second to another server`;
  return [
    { what: `${others} tenants over HTTP beside one more at its share, p99 (floor)`, unit, values: floor },
    { what: asMany(times * planPerSecond), unit, values: values('elsewhere, few'), floor },
    { what: `beside it at ${times} times its plan’s rate`, unit, values: values('over'), floor, budget },
    { what: asMany(times * eachPerSecond), unit, values: values('elsewhere, many'), floor },
    { what: `beside it at ${times} times as many, all answered`, unit, values: values('within'), floor },
  ];
}

const p99 = ({ milliseconds, statuses }: Pace): number => {
  if (Object.keys(statuses).join() !== '200') throw new Error(`quiet ones got ${JSON.stringify(statuses)}`);
  return quantile(milliseconds, 0.99);
};

const pathsOf = ({ token, agentIds }: Furnished) =>
  agentIds.slice(0, 5).map((id) => ({ path: `/v1/agents/${id}`, token }));

async function onPlan({ place }: Furnished, plan: string): Promise<void> {
  await inTenant(place, ({ sql }) => sql('UPDATE tenant SET plan = $1, plan_version = 2', [plan]));
}
