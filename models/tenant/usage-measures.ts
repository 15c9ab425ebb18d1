import type { MeterName } from '../../policies/meters.ts';
import { storageKindOf, storageKinds } from '../../policies/storage-kind.ts';
import { inTenant, type Place, type Sql } from '../scope.ts';
import { tenantTableNames } from '../tenant-schema.ts';
import { ownSource } from './usage.ts';
import { takeReadings } from './usage-taking.ts';

/**
 * What is there is measured each hour: bytes by kind of data, people, agents. What is as it was is not told again on the
 * same day, so an organisation that does nothing writes little. Tables are asked for by their names, whose sizes the
 * database finds each by itself: what it takes does not grow with the number of organisations beside it.
 */
type Measure = { meter: MeterName; kind: string; value: number };

export async function measureUsage(place: Place, now = new Date()): Promise<void> {
  await inTenant(place, async ({ sql }) => {
    const measured = [...(await storage(sql)), ...(await counts(sql))];
    const known = await lastToday(sql, now);
    const changed = measured.filter(({ meter, kind, value }) => known.get(`${meter} ${kind}`) !== value);
    const hour = now.toISOString().slice(0, 13);
    await takeReadings(
      sql,
      changed.map(({ kind, ...one }) => ({
        ...one,
        ...(kind !== '' && { kind }),
        source: ownSource,
        id: `measure/${hour}/${one.meter}/${kind}`,
        at: now,
      })),
    );
  });
}

/** With indexes, what is stored out of line, and partitions, whose names are not in any list. */
export const storageSql = `SELECT name, coalesce(pg_total_relation_size(to_regclass(name)), 0)::float8
    + coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(to_regclass(name)) WHERE isleaf
        AND relid <> to_regclass(name)), 0)::float8 AS bytes
  FROM unnest($1::text[]) AS t(name)`;

async function storage(sql: Sql): Promise<Measure[]> {
  const rows = await sql<{ name: string; bytes: number }>(storageSql, [tenantTableNames]);
  const sum = (kind: string) =>
    rows.reduce((bytes, row) => bytes + (storageKindOf(row.name) === kind ? row.bytes : 0), 0);
  return storageKinds.map((kind) => ({ meter: 'storage.bytes', kind, value: sum(kind) }));
}

async function counts(sql: Sql): Promise<Measure[]> {
  const [row] = await sql<{ seats: number; agents: number }>(
    `SELECT (SELECT count(*)::int FROM agents) AS agents,
       (SELECT count(*)::int FROM users u WHERE u.state = 'active' OR EXISTS (
          SELECT FROM invitations i WHERE i.user_id = u.id AND i.state = 'pending' AND i.expires_at > now())) AS seats`,
  );
  if (!row) throw new Error('bug: a count without a row');
  return [
    { meter: 'seats', kind: '', value: row.seats },
    { meter: 'agents', kind: '', value: row.agents },
  ];
}

async function lastToday(sql: Sql, now: Date): Promise<Map<string, number>> {
  const rows = await sql<{ meter: string; kind: string; last: number }>(
    `SELECT s.meter, s.kind, d.last::float8 AS last FROM usage_series s JOIN usage_days d ON d.series = s.id
     WHERE s.meter IN ('storage.bytes', 'seats', 'agents') AND d.day = ($1::timestamptz AT TIME ZONE 'UTC')::date`,
    [now],
  );
  return new Map(rows.map(({ meter, kind, last }) => [`${meter} ${kind}`, last]));
}
