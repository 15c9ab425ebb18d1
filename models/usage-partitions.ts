import { keyDays } from '../policies/usage-window.ts';
import { auditInTenant } from './audit.ts';
import { inTenant, type Place, type Sql } from './scope.ts';
import { ruleOf } from './tenant/apply-retention.ts';
import { type Deleted, type Removed, writeReceipt, writeSummary } from './tenant/deletion-receipt.ts';
import { unheld } from './tenant/legal-hold.ts';
import { takeTurn } from './tenant/turn.ts';
import { inTenantAsOwner } from './tenant-schema.ts';

/**
 * The months of the meter's single readings. Of an organisation that uses little, all stand in the rest, for a table for
 * each of its months would be most of what there is of it; once the rest is worth it, every month in it gets a partition,
 * and from then on each coming month before it begins. A partition goes when its whole month is past what
 * `retention.usageDays` says, rows of the rest when they are, and neither while a legal hold keeps them. Sums stay.
 */
const restBytesMax = 1_000_000;
const rowsAtOnce = 5_000;
const keysAtOnce = 10_000;
const batchesMax = 100;
/** Readings wait for what happens here, so it gives up soon and comes by again. */
const patience = "SET LOCAL lock_timeout = '3s'";

const partition = (month: string) => `usage_events_${month.replace('-', '_')}`;
const beginning = (month: string) => new Date(`${month}-01T00:00:00Z`);
export const monthOf = (at: Date): string => at.toISOString().slice(0, 7);
const next = (month: string): string => {
  const at = beginning(month);
  at.setUTCMonth(at.getUTCMonth() + 1);
  return monthOf(at);
};

export async function keepUsagePartitions(place: Place, now = new Date()): Promise<void> {
  await inTenantAsOwner(place, (sql) => makeMonths(sql, now));
  while (await inTenantAsOwner(place, (sql) => dropMonth(sql, place, now)));
  await inBatches(rowsAtOnce, () => inTenant(place, ({ sql }) => deleteRest(sql, place)));
  await inBatches(keysAtOnce, () => inTenant(place, ({ sql }) => purgeKeys(sql)));
}

async function inBatches(size: number, act: () => Promise<number>): Promise<void> {
  for (let batch = 0; batch < batchesMax; batch++) if ((await act()) < size) return;
}

/** The months that have a partition, the oldest first. */
async function monthsOf(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }>(
    `SELECT relname AS name FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
     WHERE inhparent = 'usage_events'::regclass AND relname <> 'usage_events_rest' ORDER BY 1`,
  );
  return rows.map(({ name }) => name.slice(partition('').length).replace('_', '-'));
}

async function makeMonths(sql: Sql, now: Date): Promise<void> {
  const there = await monthsOf(sql);
  const [rest] = await sql<{ bytes: number }>(
    `SELECT pg_relation_size('usage_events_rest')::float8 AS bytes`,
  );
  if (there.length === 0 && (rest?.bytes ?? 0) < restBytesMax) return;
  const current = monthOf(now);
  const coming = [current, next(current)].filter((month) => !there.includes(month));
  if (coming.length === 0 && (rest?.bytes ?? 0) < restBytesMax) return;
  await sql(patience);
  await sql('LOCK TABLE usage_events IN ACCESS EXCLUSIVE MODE');
  // Nobody reaches the rest but through its table, its owner neither; here, for once, and behind the lock.
  await sql('ALTER TABLE usage_events_rest NO FORCE ROW LEVEL SECURITY');
  const waiting = await sql<{ month: string }>(
    "SELECT DISTINCT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM') AS month FROM usage_events_rest",
  );
  const months = [...new Set([...coming, ...waiting.map(({ month }) => month)])].sort();
  for (const month of months) await fillMonth(sql, month);
  await sql('TRUNCATE usage_events_rest');
  await sql('ALTER TABLE usage_events_rest FORCE ROW LEVEL SECURITY');
  for (const month of months) await attachMonth(sql, month);
}

const bounds = (month: string) => [beginning(month).toISOString(), beginning(next(month)).toISOString()];

async function fillMonth(sql: Sql, month: string): Promise<void> {
  await sql(`CREATE TABLE ${partition(month)} (LIKE usage_events INCLUDING ALL)`);
  await sql(
    `INSERT INTO ${partition(month)} SELECT * FROM usage_events_rest WHERE at >= $1 AND at < $2`,
    bounds(month),
  );
}

async function attachMonth(sql: Sql, month: string): Promise<void> {
  const name = partition(month);
  const [from, to] = bounds(month);
  await sql(`ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`);
  await sql(`ALTER TABLE usage_events ATTACH PARTITION ${name} FOR VALUES FROM ('${from}') TO ('${to}')`);
}

type Expiry = { rule: string; before: Date };

/** In turn with whoever makes a hold: what was said a moment ago counts. */
async function expiryOf(sql: Sql, place: Place, now: Date): Promise<Expiry | undefined> {
  await takeTurn(sql);
  const { days, rule } = await ruleOf(sql, place, { class: 'usage', days: 'retention.usageDays' });
  if (days === null) return undefined;
  const [free] = await sql(`SELECT 1 WHERE ${unheld('usage', [])}`);
  return free && { rule, before: new Date(now.getTime() - days * 86_400_000) };
}

/** The oldest month, if it is over; whether it was. */
async function dropMonth(sql: Sql, place: Place, now: Date): Promise<boolean> {
  const expiry = await expiryOf(sql, place, now);
  const [oldest] = await monthsOf(sql);
  if (!expiry || !oldest || beginning(next(oldest)) > expiry.before) return false;
  await sql(patience);
  const removed = await removedWith(sql, oldest);
  await sql(`DROP TABLE ${partition(oldest)}`);
  if (removed.count > 0) {
    const id = await writeSummary(sql, {
      class: 'usage',
      source: 'usage-events',
      rule: expiry.rule,
      removed,
    });
    await tell(sql, { id, rule: expiry.rule, count: removed.count });
  }
  return true;
}

/** The digest is of the digests of its hours, each of the keys in order: a month's keys do not fit into one text. */
async function removedWith(sql: Sql, month: string): Promise<Removed> {
  const [row] = await sql<{ count: number; first: Date; last: Date; digest: string }>(
    `SELECT coalesce(sum(count), 0)::float8 AS count, min(first) AS first, max(last) AS last,
       encode(sha256(coalesce(string_agg(part, ''::bytea ORDER BY hour), '')), 'hex') AS digest
     FROM (SELECT date_bin('1 hour', at, timestamptz 'epoch') AS hour, count(*) AS count, min(at) AS first, max(at) AS last,
             sha256(string_agg(uuid_send(key), ''::bytea ORDER BY key)) AS part
           FROM usage_events WHERE at >= $1 AND at < $2 GROUP BY 1) AS hours`,
    bounds(month),
  );
  if (!row) throw new Error('a sum without a row');
  return row;
}

async function deleteRest(sql: Sql, place: Place): Promise<number> {
  const expiry = await expiryOf(sql, place, new Date());
  if (!expiry) return 0;
  const deleted = await sql<Deleted>(
    `WITH over AS MATERIALIZED (SELECT ctid AS place FROM usage_events
       WHERE at < $1 AND tableoid = 'usage_events_rest'::regclass LIMIT $2)
     DELETE FROM usage_events USING over WHERE usage_events.ctid = over.place AND at < $1
       AND usage_events.tableoid = 'usage_events_rest'::regclass
     RETURNING key::text AS id, at`,
    [expiry.before, rowsAtOnce],
  );
  if (deleted.length === 0) return 0;
  const { rule } = expiry;
  const id = await writeReceipt(sql, { class: 'usage', source: 'usage-events', rule, deleted });
  await tell(sql, { id, rule, count: deleted.length });
  return deleted.length;
}

const tell = (sql: Sql, { id, rule, count }: { id: string; rule: string; count: number }): Promise<void> =>
  auditInTenant(sql, {
    actor: { kind: 'system', id: 'system:meter' },
    action: 'apply retention',
    subject: { type: 'DeletionReceipt', id },
    outcome: 'done',
    rule,
    details: { class: 'usage', source: 'usage-events', count },
  });

/** A key tells nothing of anybody; what it was of is no longer taken, whoever sends it. */
async function purgeKeys(sql: Sql): Promise<number> {
  const purged = await sql(
    `DELETE FROM usage_keys WHERE key IN (
       SELECT key FROM usage_keys WHERE at < now() - make_interval(days => $1) LIMIT $2 FOR UPDATE SKIP LOCKED)
     RETURNING 1`,
    [keyDays, keysAtOnce],
  );
  return purged.length;
}
