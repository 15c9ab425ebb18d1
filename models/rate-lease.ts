import type { Row } from './batch.ts';
import { cellPlatform, cellRates } from './databases.ts';

/**
 * Requests of a minute, handed out to processes in portions from one row for each limit: an atomic update, so all
 * together never get more than there are. A minute begins with its first request and is the database's. A portion is at
 * most an eighth of what is left, so the less is left, the smaller they are, and little stays unused where nobody asks.
 */
export type Wanted = { counter: string; perMinute: number; amount: number };
export type Lease = { granted: number; left: number; endsInMs: number };

const shareOfRest = 8;

const text = `INSERT INTO platform.request_rates AS r (counter, ends_at, most, wanted, taken, granted)
  SELECT counter, now() + interval '1 minute', most, wanted, portion, portion
  FROM unnest($1::text[], $2::int[], $3::int[]) AS given(counter, most, wanted),
    LATERAL (SELECT least(wanted, most, greatest(most / ${shareOfRest}, 1)) AS portion) first
  -- In one order, so that two who take from the same rows wait for each other and never in a circle.
  ORDER BY counter
  ON CONFLICT (counter) DO UPDATE SET (ends_at, most, wanted, taken, granted) = (
    SELECT before.ends_at, excluded.most, excluded.wanted, before.taken + portion, portion
    FROM (SELECT CASE WHEN r.ends_at > now() THEN r.taken ELSE 0 END AS taken,
            CASE WHEN r.ends_at > now() THEN r.ends_at ELSE excluded.ends_at END AS ends_at) before,
      LATERAL (SELECT greatest(excluded.most - before.taken, 0) AS rest) free,
      LATERAL (SELECT least(excluded.wanted, rest, greatest(rest / ${shareOfRest}, 1)) AS portion) next)
  RETURNING counter, granted, taken, extract(epoch FROM ends_at - now()) * 1000 AS ends_in`;

export async function leaseRates(cell: string, wanted: Wanted[]): Promise<Map<string, Lease>> {
  const list = (values: (string | number)[]) => `{${values.map((value) => `"${value}"`).join(',')}}`;
  const [rows = []] = await cellRates(cell).run([
    {
      text,
      values: [
        list(wanted.map(({ counter }) => counter)),
        list(wanted.map(({ perMinute }) => perMinute)),
        list(wanted.map(({ amount }) => amount)),
      ],
    },
  ]);
  const most = new Map(wanted.map(({ counter, perMinute }) => [counter, perMinute]));
  return new Map(rows.map((row) => [String(row.counter), leaseIn(row, most)]));
}

function leaseIn(row: Row, most: Map<string, number>): Lease {
  return {
    granted: Number(row.granted),
    left: Math.max(0, (most.get(String(row.counter)) ?? 0) - Number(row.taken)),
    endsInMs: Number(row.ends_in),
  };
}

/** Of those who have asked nothing for a while. */
export async function forgetRates(cell: string): Promise<void> {
  await cellPlatform(cell).query(
    "DELETE FROM platform.request_rates WHERE ends_at < now() - interval '10 minutes'",
  );
}
