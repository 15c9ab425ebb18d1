import { type Limited, metersOf, type QuotaRule } from '../../policies/quotas.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';
import { windowStart } from './quota-window.ts';

/** Limits as rows: what is limited, and by how much. How much of it is used stands in counters (quota-counter.ts). */
export const ruleColumns = `q.id, q.meter, q.time_window, q.window_minutes, q.zone, q.scope, q.scope_id, q.amount,
  q.raised_to, q.raised_until, q.hard, q.unreachable, q.thresholds, q.origin, q.version, q.created_at`;

/** Of everything about limits that decides what is given, the same for everybody who looks. */
export const rulesDigest = (
  schema = '',
) => `(SELECT md5(string_agg(concat_ws('|', r.id, r.meter, r.time_window, r.window_minutes,
    r.zone, r.scope, r.scope_id, r.amount, r.raised_to, extract(epoch FROM r.raised_until), r.hard), ',' ORDER BY r.id))
  FROM ${schema}quotas r)`;

/** What holds of the row `q` just now, as `effectiveAmount` (policies/quotas.ts) has it. */
export const amountNow =
  'CASE WHEN q.raised_until > now() THEN greatest(q.amount, q.raised_to) ELSE q.amount END';

export function ruleOf(row: Row): QuotaRule {
  // Written through CHECK constraints and routes that allow these words alone.
  const word = <W extends string>(value: unknown) => String(value) as W;
  return {
    id: String(row.id),
    meter: word<Limited>(row.meter),
    window: word<QuotaRule['window']>(row.time_window),
    windowMinutes: numberOr(row.window_minutes),
    zone: String(row.zone),
    scope: word<QuotaRule['scope']>(row.scope),
    scopeId: String(row.scope_id),
    amount: Number(row.amount),
    raisedTo: numberOr(row.raised_to),
    raisedUntil: row.raised_until instanceof Date ? row.raised_until : null,
    hard: row.hard === true,
    unreachable: word<QuotaRule['unreachable']>(row.unreachable),
    thresholds: Array.isArray(row.thresholds) ? row.thresholds.map(Number) : [],
    origin: word<QuotaRule['origin']>(row.origin),
    version: Number(row.version),
    createdAt: row.created_at instanceof Date ? row.created_at : new Date(0),
  };
}

const numberOr = (value: unknown): number | null =>
  value === null || value === undefined ? null : Number(value);

/** What a limit on this may be written on. */
export function limitedBy(limited: Limited): Limited[] {
  const either: Limited[] = metersOf('tokens');
  if (limited === 'tokens') return [limited, ...either];
  return either.includes(limited) ? [limited, 'tokens'] : [limited];
}

export const ruleList = (tenantId: string): Statement => ({
  text: `SELECT ${ruleColumns} FROM ${schemaOf(tenantId)}.quotas q ORDER BY q.id`,
  values: [],
});

/** Every limit that may be on one of these meters. */
export async function rulesOn(sql: Sql, meters: Iterable<Limited>): Promise<QuotaRule[]> {
  const limited = [...new Set([...meters].flatMap(limitedBy))];
  const rows = await sql(
    `SELECT ${ruleColumns} FROM quotas q WHERE q.meter IN (SELECT jsonb_array_elements_text($1::jsonb)) ORDER BY q.id`,
    [JSON.stringify(limited)],
  );
  return rows.map(ruleOf);
}

/**
 * While limits are changed nobody reserves and nobody counts, so that a new one begins with exactly what was used.
 * Taken before everything else; answers the time by the database's clock.
 */
export async function lockRules(sql: Sql, how: 'to change' | 'to apply'): Promise<Date> {
  const lock = `pg_advisory_xact_lock${how === 'to apply' ? '_shared' : ''}`;
  const [row] = await sql<{ now: Date }>(`SELECT ${lock}(${rulesLock}), clock_timestamp() AS now`);
  if (how === 'to change') await sql(forgetRules());
  return row?.now ?? new Date();
}

const rulesLock = `hashtext('quotas'), hashtext(current_setting('app.tenant'))`;

/** What processes remember of limits holds no longer (quota-memory.ts); of windows that are over nothing is remembered. */
export const forgetRules = (
  prefix = '',
) => `UPDATE ${prefix}quota_counters c SET rules = NULL FROM ${prefix}quotas q
  WHERE c.quota_id = q.id AND c.rules IS NOT NULL AND c.window_start >= ${windowStart('now()')}`;
