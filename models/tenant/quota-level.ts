import { limitsOn, type QuotaRule, type QuotaScope } from '../../policies/quotas.ts';
import type { Sql } from '../scope.ts';
import type { Wished } from './quota-counter.ts';
import type { Reading } from './usage.ts';

/** What there is now of what is measured (bytes, seats, agents): the newest of each series, together. */
export type Level = Wished & { used: number };

/** Of the limits on levels that these readings say something new about. */
export async function levelsNow(
  sql: Sql,
  rules: readonly QuotaRule[],
  readings: readonly Reading[],
): Promise<Level[]> {
  const onLevels = rules.filter(({ window }) => window === 'level');
  if (onLevels.length === 0) return [];
  const touched = readings.flatMap((reading) => limitsOn(onLevels, reading.meter, reading));
  const once = new Map(touched.map((each) => [`${each.rule.id} ${each.scopeId}`, each]));
  const levels: Level[] = [];
  for (const { rule, scopeId } of once.values())
    levels.push({ quotaId: rule.id, scopeId, used: await levelOf(sql, rule, scopeId) });
  return levels;
}

const columnOf: Partial<Record<QuotaScope, string>> = { agent: 's.agent_id', key: 's.key_id' };

async function levelOf(sql: Sql, { meter, scope }: QuotaRule, scopeId: string): Promise<number> {
  const [row] = await sql<{ used: string }>(
    `SELECT coalesce(sum(newest.last), 0) AS used FROM usage_series s CROSS JOIN LATERAL (
       SELECT d.last FROM usage_days d WHERE d.series = s.id ORDER BY d.day DESC LIMIT 1) AS newest
     WHERE s.meter = $1 AND ${columnOf[scope] ?? "''"} = $2`,
    [meter, scopeId],
  );
  return Number(row?.used ?? 0);
}
