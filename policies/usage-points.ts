import type { Aggregation } from './meters.ts';

/**
 * From what the tables answer to a series without gaps: what was used in each bucket, by the meter's own way of making
 * readings one number. `null` is what is not known: a bucket that has yet to begin, or one before the first reading of
 * what is measured.
 */
export type Piece = {
  /** Whose: the meter, and what it is broken down by. */
  group: string;
  /** Which bucket, from 1; 0 is what was before the first. */
  bucket: number;
  /** Of `last`: each series is carried forward by itself, and their sum is the group's. */
  series?: number;
  value: number;
  /** Of `time-weighted`: each change times the seconds from it to the end of its bucket. */
  area?: number;
};

export type Points = { values: (number | null)[]; total: number | null };
type Asked = { aggregation: Aggregation; bounds: readonly number[]; now: number };

export function pointsOf(pieces: readonly Piece[], asked: Asked): Map<string, Points> {
  const groups = new Map<string, Piece[]>();
  for (const piece of pieces) {
    const known = groups.get(piece.group);
    if (known) known.push(piece);
    else groups.set(piece.group, [piece]);
  }
  return new Map([...groups].map(([group, own]) => [group, seriesOf(own, asked)]));
}

/** Of one group; without pieces, what nothing comes to. */
export function seriesOf(pieces: readonly Piece[], asked: Asked): Points {
  if (asked.aggregation === 'last') return carried(pieces, asked);
  if (asked.aggregation === 'time-weighted') return averaged(pieces, asked);
  return plain(pieces, asked);
}

const begun = ({ bounds, now }: Asked): boolean[] => bounds.slice(0, -1).map((from) => from < now);

/** Sums and counts, greatest, members: each bucket by itself. The total of members is asked for, not added. */
function plain(pieces: readonly Piece[], asked: Asked): Points {
  const greatest = asked.aggregation === 'max';
  const values: (number | null)[] = begun(asked).map((has) => (has && !greatest ? 0 : null));
  for (const { bucket, value } of pieces) {
    const before = values[bucket - 1] ?? null;
    values[bucket - 1] = before === null ? value : greatest ? Math.max(before, value) : before + value;
  }
  const known = values.filter((value) => value !== null);
  if (greatest) return { values, total: known.length > 0 ? Math.max(...known) : null };
  return { values, total: known.reduce((sum, value) => sum + value, 0) };
}

function carried(pieces: readonly Piece[], asked: Asked): Points {
  const latest = new Map<number, number>();
  const byBucket = Map.groupBy(pieces, ({ bucket }) => bucket);
  const take = (bucket: number) => {
    for (const { series = 0, value } of byBucket.get(bucket) ?? []) latest.set(series, value);
  };
  take(0);
  const values = begun(asked).map((has, at) => {
    take(at + 1);
    return has && latest.size > 0 ? [...latest.values()].reduce((sum, value) => sum + value, 0) : null;
  });
  return { values, total: values.findLast((value) => value !== null) ?? null };
}

/** The level at a moment is the sum of all changes before it; over a time, its mean, of an unfinished bucket until now. */
function averaged(pieces: readonly Piece[], { bounds, now }: Asked): Points {
  const [changes, areas] = [new Map<number, number>(), new Map<number, number>()];
  for (const { bucket, value, area = 0 } of pieces) {
    changes.set(bucket, (changes.get(bucket) ?? 0) + value);
    areas.set(bucket, (areas.get(bucket) ?? 0) + area);
  }
  let level = changes.get(0) ?? 0;
  const all = { area: 0, seconds: 0 };
  const values = bounds.slice(1).map((end, at) => {
    const from = bounds[at] ?? end;
    if (from >= now) return null;
    const seconds = (Math.min(end, now) - from) / 1000;
    const change = changes.get(at + 1) ?? 0;
    // What changed counts up to the bucket's end; of one that is not over, the part to come is taken off again.
    const area = (areas.get(at + 1) ?? 0) - change * (Math.max(end - now, 0) / 1000);
    const whole = level * seconds + area;
    level += change;
    all.area += whole;
    all.seconds += seconds;
    return whole / seconds;
  });
  return { values, total: all.seconds > 0 ? all.area / all.seconds : null };
}
