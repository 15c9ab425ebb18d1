import type { NewQuota } from '../../policies/quota-rules.ts';
import { type PlanLimit, planLimits, type QuotaRule } from '../../policies/quotas.ts';
import type { Row, Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Place, Sql } from '../scope.ts';
import { decideInTenant } from '../scope.ts';
import { forgetRules, lockRules, ruleColumns, ruleOf } from './quota.ts';
import { quotaList } from './quota-list.ts';
import { startStatement } from './quota-start.ts';

/** Changes of limits. Nobody counts meanwhile; what is changed holds from the next act on. */
const names =
  'meter, time_window, window_minutes, zone, scope, scope_id, amount, hard, unreachable, thresholds';

export async function rulesToChange(sql: Sql): Promise<{ rules: QuotaRule[]; now: Date }> {
  const now = await lockRules(sql, 'to change');
  const rows = await sql(`SELECT ${ruleColumns} FROM quotas q ORDER BY q.id`);
  return { rules: rows.map(ruleOf), now };
}

export async function addQuota(sql: Sql, given: NewQuota, now: Date): Promise<string> {
  const id = newId('qta');
  const { meter, window, windowMinutes, zone, scope, scopeId, amount, hard, unreachable, thresholds } = given;
  const [row = {}] = await sql<Row>(
    `INSERT INTO quotas AS q (id, origin, ${names})
     VALUES ($1, 'tenant', $2, $3, $4, $5, $6, $7, $8, $9, $10,
       ARRAY(SELECT jsonb_array_elements_text($11::jsonb)::integer)) RETURNING ${ruleColumns}`,
    [
      ...[id, meter, window, windowMinutes, zone, scope, scopeId, amount, hard, unreachable],
      JSON.stringify(thresholds),
    ],
  );
  const { text, values } = startStatement(ruleOf(row), now);
  await sql(text, values);
  return id;
}

type Changeable = Pick<QuotaRule, 'amount' | 'hard' | 'unreachable' | 'thresholds'>;
export type QuotaChange = { [Name in keyof Changeable]?: Changeable[Name] | undefined };

export async function changeQuota(sql: Sql, id: string, change: QuotaChange): Promise<void> {
  await sql(
    `UPDATE quotas SET amount = coalesce($2, amount), hard = coalesce($3, hard), unreachable = coalesce($4, unreachable),
       thresholds = CASE WHEN $5::jsonb IS NULL THEN thresholds
         ELSE ARRAY(SELECT jsonb_array_elements_text($5::jsonb)::integer) END,
       version = version + 1, updated_at = now() WHERE id = $1`,
    [
      ...[id, change.amount ?? null, change.hard ?? null, change.unreachable ?? null],
      change.thresholds ? JSON.stringify(change.thresholds) : null,
    ],
  );
}

export async function removeQuota(sql: Sql, id: string): Promise<void> {
  await sql('DELETE FROM quotas WHERE id = $1', [id]);
}

/** What an operator sets over the plan's. */
export type QuotaSetting = {
  amount: number;
  hard?: boolean | undefined;
  unreachable?: QuotaRule['unreachable'] | undefined;
  raised?: { to: number; until: string } | null | undefined;
};

/**
 * From outside the tenant, in one transaction of the tenant's own, which makes the plan's limit if it is not there yet.
 * The same setting once more changes nothing but the version.
 */
export async function setQuota(
  place: Place,
  { id, plan, now }: { id: string; plan: PlanLimit | undefined; now: Date },
  setting: QuotaSetting,
): Promise<{ quota: Row | undefined; ended: string[] }> {
  const schema = schemaOf(place.tenantId);
  const { hard = null, unreachable = null, raised } = setting;
  const statements: Statement[] = [{ text: forgetRules(`${schema}.`), values: [] }];
  if (plan) statements.push(...makeStatements(`${schema}.`, id, plan, now));
  // Who sets a raise, or takes it back, ends what was granted for a time; the requests' errands say so.
  const granted = statements.push({
    text: `UPDATE ${schema}.quota_requests SET granted_until = now()
           WHERE $2::boolean AND quota_id = $1 AND state = 'approved' AND raised_at IS NOT NULL AND granted_until > now()
           RETURNING operation_id`,
    values: [id, String(raised !== undefined)],
  });
  statements.push({
    text: `UPDATE ${schema}.quotas SET amount = $2, origin = 'operator', hard = coalesce($3::boolean, hard),
        unreachable = coalesce($4, unreachable),
        raised_to = CASE WHEN $5::boolean THEN $6::bigint ELSE raised_to END,
        raised_until = CASE WHEN $5::boolean THEN $7::timestamptz ELSE raised_until END,
        version = version + 1, updated_at = now() WHERE id = $1`,
    values: [
      ...[id, setting.amount, hard === null ? null : String(hard), unreachable, String(raised !== undefined)],
      ...[raised?.to ?? null, raised?.until ?? null],
    ],
  });
  const results = await decideInTenant(place, [...statements, quotaList(place.tenantId, id)], 'change');
  const ended = (results[granted - 1] ?? []).map((row) => String(row.operation_id));
  return { quota: results.at(-1)?.[0], ended };
}

/** It begins with what was used; nothing happens where it is there already. */
function makeStatements(prefix: string, id: string, plan: PlanLimit, now: Date): Statement[] {
  const { meter, window } = planLimits[plan];
  const rule = { id, meter, window, windowMinutes: null, zone: 'UTC', scope: 'tenant' as const, scopeId: '' };
  return [
    {
      text: `INSERT INTO ${prefix}quotas (id, meter, time_window, amount, origin) VALUES ($1, $2, $3, 0, 'operator')
        ON CONFLICT DO NOTHING`,
      values: [id, meter, window],
    },
    startStatement(rule, now, prefix),
  ];
}
