import { type Plan, planAt } from '../../policies/plans.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { listedOf, quotaList } from './quota-list.ts';
import { type LimitNow, limitOf } from './quota-overview.ts';

/** How one limit stands just now, for whoever asks for more of it or decides about that. */
export type Standing = LimitNow & {
  plan: Plan;
  /** When the rule granted more of it last. */
  grantedByRuleAt: Date | null;
  /** A request for more of it that nobody has decided yet. */
  waiting: string | null;
};

export function standingById(tenantId: string, quotaId: string): Statement {
  const schema = schemaOf(tenantId);
  const { text, values } = quotaList(tenantId, quotaId);
  return {
    text: `SELECT q.*, t.plan, t.plan_version,
             (SELECT max(r.decided_at) FROM ${schema}.quota_requests r
               WHERE r.quota_id = q.id AND r.decided_by->>'kind' = 'rule') AS granted_by_rule_at,
             (SELECT min(r.id) FROM ${schema}.quota_requests r WHERE r.quota_id = q.id AND r.state = 'waiting') AS waiting
           FROM (${text}) AS q CROSS JOIN ${schema}.tenant t`,
    values,
  };
}

export const standingOf = (row: Row): Standing => ({
  ...limitOf(listedOf(row)),
  plan: planAt(String(row.plan), Number(row.plan_version)),
  grantedByRuleAt: row.granted_by_rule_at instanceof Date ? row.granted_by_rule_at : null,
  waiting: row.waiting === null ? null : String(row.waiting),
});
