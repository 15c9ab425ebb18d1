import { loosest, policySettings, type SecurityPolicy } from '../../policies/security-policy.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';

/** The tenant's own strictness: settings under keys of their own, and a version for those who change it. */
export type StoredPolicy = SecurityPolicy & { version: number };

const versionKey = 'securityPolicy.version';
const keys = [...Object.values(policySettings), versionKey];
const listed = keys.map((key) => `'${key}'`).join(', ');

export function securityPolicyStatement(tenantId: string): Statement {
  return {
    text: `SELECT key, value FROM ${schemaOf(tenantId)}.settings WHERE key IN (${listed})`,
    values: [],
  };
}

export function asSecurityPolicy(rows: Row[]): StoredPolicy {
  const stored = new Map(rows.map(({ key, value }) => [key, value]));
  const value = <K extends keyof SecurityPolicy>(name: K): SecurityPolicy[K] =>
    // Written by storeSecurityPolicy from the same type, or by the plan.
    (stored.get(policySettings[name]) as SecurityPolicy[K] | undefined) ?? loosest[name];
  return {
    sessionHours: value('sessionHours'),
    idleMinutes: value('idleMinutes'),
    requireSecondFactor: value('requireSecondFactor'),
    passwordLengthMin: value('passwordLengthMin'),
    allowedEmailDomains: value('allowedEmailDomains'),
    version: Number(stored.get(versionKey) ?? 1),
  };
}

/** As of this transaction. */
export async function securityPolicyOf(sql: Sql): Promise<StoredPolicy> {
  return asSecurityPolicy(await sql<Row>(`SELECT key, value FROM settings WHERE key IN (${listed})`));
}

/** Holds for sessions that are there already: they end sooner, and wait at the door for a second factor. */
export async function storeSecurityPolicy(sql: Sql, policy: StoredPolicy): Promise<void> {
  const values = Object.entries(policySettings).map(([name, key]) => [
    key,
    policy[name as keyof SecurityPolicy], // the keys of policySettings are those of the policy
  ]);
  await sql(
    `INSERT INTO settings (key, value) SELECT key, value FROM jsonb_each($1::jsonb)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()`,
    [JSON.stringify(Object.fromEntries([...values, [versionKey, policy.version]]))],
  );
  await sql(
    `UPDATE sessions SET idle_seconds = LEAST(idle_seconds, $1 * 60),
       expires_at = LEAST(expires_at, created_at + make_interval(hours => $2))`,
    [policy.idleMinutes, policy.sessionHours],
  );
  await restageSessions(sql, policy);
}

/** A session may do everything when no second factor is asked for, or its person has one. */
async function restageSessions(sql: Sql, policy: SecurityPolicy): Promise<void> {
  await sql(
    `UPDATE sessions s SET rotate = true, stage = w.stage
     FROM (SELECT id, CASE WHEN $1 AND NOT EXISTS (
             SELECT FROM second_factors f WHERE f.user_id = o.user_id AND f.confirmed_at IS NOT NULL)
           THEN 'enrolment' ELSE 'full' END AS stage FROM sessions o) w
     WHERE w.id = s.id AND s.stage <> w.stage`,
    [policy.requireSecondFactor],
  );
}
