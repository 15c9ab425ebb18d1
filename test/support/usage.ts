import { newId } from '../../models/ids.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import type { Reading } from '../../models/tenant/usage.ts';
import { ingestReadings, type Verdict } from '../../models/tenant/usage-ingest.ts';
import { ensureTenantSchema } from '../../models/tenant-schema.ts';
import { keepUsagePartitions } from '../../models/usage-partitions.ts';
import { cell } from './catalogue.ts';

export const hour = 3_600_000;
export const day = 24 * hour;

/** Moments at which sums go wrong: ends of months and years, the leap day, changes of clocks, and all around them. */
export const edges = [
  '2028-02-29T00:00:00Z',
  '2028-03-01T00:00:00Z',
  '2028-02-28T23:59:59.999Z',
  '2027-12-31T23:59:59.999Z',
  '2028-01-01T00:00:00Z',
  '2028-03-26T01:00:00Z',
  '2028-10-29T01:00:00Z',
  '2028-03-12T10:00:00Z',
  '2028-11-05T09:00:00Z',
].map((text) => new Date(text).getTime());

/** A tenant with nothing in it, and what its meter says. */
export async function meteredTenant(login = 0): Promise<Place> {
  const place = { tenantId: newId('ten'), cell, login };
  await ensureTenantSchema(place, `test-${place.tenantId}`);
  await inTenant(place, ({ sql }) =>
    sql("INSERT INTO tenant VALUES ($1, 'active', 'team', 1)", [place.tenantId]),
  );
  return place;
}

let made = 0;
export const reading = (more: Partial<Reading> = {}): Reading => ({
  source: 'test',
  id: `reading-${made++}`,
  meter: 'tokens.input',
  value: 1,
  at: new Date(),
  ...more,
});

export const take = (place: Place, readings: Reading[], now?: Date): Promise<Verdict[]> =>
  inTenant(place, ({ sql }) => ingestReadings(sql, readings, now));

export const said = (verdicts: Verdict[]): string[] => verdicts.map(({ verdict }) => verdict);

export const rowsOf = <T extends object>(place: Place, text: string, values: unknown[] = []): Promise<T[]> =>
  inTenant(place, ({ sql }) => sql<T>(text, values));

export type Sums = { value: string; events: string; peak: string; last: string };

const summed = (
  text: string,
) => `SELECT coalesce(sum(value), 0)::text AS value, coalesce(sum(events), 0)::text AS events,
  coalesce(max(peak), 0)::text AS peak, coalesce(max(last), 0)::text AS last FROM (${text}) AS s`;

/** By single readings, by hours and by days: three ways to one answer. */
export async function sumsOf(place: Place): Promise<{ raw: Sums; hours: Sums; days: Sums }> {
  const of = async (text: string) => {
    const [row] = await rowsOf<Sums>(place, summed(text));
    if (!row) throw new Error('a sum without a row');
    return row;
  };
  // The last of a series is that of its newest bucket.
  const newest = (table: string, bucket: string) =>
    `SELECT value, events, peak, CASE WHEN ${bucket} = max(${bucket}) OVER (PARTITION BY series) THEN last END AS last FROM ${table}`;
  return {
    raw: await of(
      `SELECT sum(value) AS value, count(*) AS events, max(value) AS peak,
         (array_agg(value ORDER BY at DESC, value DESC))[1] AS last FROM usage_events GROUP BY series`,
    ),
    hours: await of(newest('usage_hours', 'hour')),
    days: await of(newest('usage_days', 'day')),
  };
}

/** As a tenant is that uses much. */
export async function withPartitions(place: Place): Promise<void> {
  await inTenant(place, ({ sql }) =>
    sql(`INSERT INTO usage_events (key, series, at, value)
         SELECT gen_random_uuid(), 1, now(), 1 FROM generate_series(1, 16000)`),
  );
  await keepUsagePartitions(place);
}

/** The same tenant for each example of a property, for to make one takes longer than to try it. */
export async function emptied(place: Place): Promise<Place> {
  await inTenant(place, async ({ sql }) => {
    for (const table of ['keys', 'events', 'hours', 'days']) await sql(`DELETE FROM usage_${table}`);
  });
  return place;
}
