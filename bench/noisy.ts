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
 * One tenant at twenty times its share, and what two others notice: the 99th percentile of theirs with the noise and
 * without, one after the other many times in one run. Over HTTP once within what the noisy one's plan allows, where every
 * request is answered, and once over it, where most are refused; and over runs.
 */
const quietPerSecond = 40;
const times = 20;
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
  const [first, second, within, over] = await furnishedTenants('eu', 'eu-1', 4, 20);
  if (!first || !second || !within || !over) throw new Error('no tenants were made');
  for (const quiet of [first, second]) await onPlan(quiet, 'team');
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
  const besideElsewhere = async () => {
    const paths = [{ path: '/hello/1', token: '' }];
    const perSecond = times * quietPerSecond;
    const noisy = noise.ask<Pace>({ url: elsewhere, paths, perSecond, seconds } satisfies Paced);
    const [value] = await Promise.all([quiet(), noisy]);
    return value;
  };
  const quiet = async () => p99(await paced(calm, [first, second], 2 * quietPerSecond));
  const under = (noisy: Furnished, perSecond: number) => async () => {
    const [value, { statuses }] = await Promise.all([quiet(), paced(noise, [noisy], perSecond)]);
    seen.push(statuses);
    return value;
  };
  const seen: Pace['statuses'][] = [];
  try {
    say(
      `Two quiet tenants at ${quietPerSecond} requests a second each, a noisy one at ${times} times as many …`,
    );
    const results = await interleaved(
      [
        { name: 'quiet', measure: quiet },
        { name: 'elsewhere', measure: besideElsewhere },
        { name: 'within', measure: under(within, times * quietPerSecond) },
        // A free plan's share is ten a second.
        { name: 'over', measure: under(over, times * 10) },
      ],
      asked.repetitions,
      2,
    );
    say(`What the noisy ones were answered in the end: ${JSON.stringify(seen.slice(-2))}`);
    const values = (name: string) => results.get(name) ?? [];
    const floor = values('quiet');
    return [
      { what: 'two quiet tenants over HTTP, p99 (floor)', unit: 'ms', values: floor },
      { what: 'beside as many requests to another server', unit: 'ms', values: values('elsewhere'), floor },
      {
        what: 'beside one at 20 times as many, all answered',
        unit: 'ms',
        values: values('within'),
        floor,
        budget,
      },
      { what: 'beside one at 20 times its plan’s rate', unit: 'ms', values: values('over'), floor, budget },
    ];
  } finally {
    await Promise.all([api.stop(), calm.stop(), noise.stop(), peers.stop()]);
  }
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
