import type { MeterName } from '../../policies/meters.ts';
import type { Seeded } from './seeded-meter.ts';

type Span = { from: number; until: number };
const within = ({ from, until }: Span, all: Seeded[]) => all.filter(({ at }) => at >= from && at < until);
const sum = (all: Seeded[]) => all.reduce((total, { value = 1 }) => total + value, 0);

/** One meter in one bucket, from nothing but the readings: what reading the meter is held against. */
export function naive(meter: MeterName, span: Span, all: Seeded[]): number | null {
  const inside = within(span, all);
  const before = all.filter(({ at }) => at < span.until).sort((a, b) => a.at - b.at);
  switch (meter) {
    case 'runs':
      return inside.length;
    case 'users.active':
      return new Set(inside.map(({ member }) => member)).size;
    case 'storage.bytes': {
      const series = Map.groupBy(before, ({ agentId, kind }) => `${agentId} ${kind}`);
      return series.size === 0 ? null : sum([...series.values()].flatMap((own) => own.slice(-1)));
    }
    case 'runs.concurrent': {
      const seconds = ({ at, value = 1 }: Seeded) => value * (span.until - Math.max(at, span.from));
      return before.reduce((area, each) => area + seconds(each), 0) / (span.until - span.from);
    }
    default:
      return sum(inside);
  }
}
