import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { TokenKind } from '../secrets.ts';

/**
 * Who a token belongs to, as of this very transaction: the person or key, today's roles, and the tenant's state
 * and plan. Read together with what is asked for, so that no cached right can outlive its revocation.
 */
export type Credential = {
  credentialId: string;
  principalId: string;
  tenantState: 'provisioning' | 'active' | 'suspended' | 'deleting';
  plan: string;
  planVersion: number;
  roles: string[];
  /** Roles of the person a key belongs to, which it may not exceed; undefined when nothing bounds it. */
  bound?: string[];
  /** Raised with every change of a role's rules. */
  rightsVersion: number;
};

const common = (schema: string, principal: string) => `
  t.state AS tenant_state, t.plan, t.plan_version, t.rights_version,
  (SELECT string_agg(a.role, ' ') FROM ${schema}.role_assignments a WHERE a.principal_id = ${principal}) AS roles`;

export function credentialByToken(tenantId: string, kind: TokenKind, hash: string): Statement {
  const schema = schemaOf(tenantId);
  const text =
    kind === 'key'
      ? `SELECT k.id AS credential_id, k.id AS principal_id, ${common(schema, 'k.id')}
         FROM ${schema}.api_keys k CROSS JOIN ${schema}.tenant t
         WHERE k.token_hash = $1 AND (k.expires_at IS NULL OR k.expires_at > now())
           AND NOT EXISTS (SELECT FROM ${schema}.users o WHERE o.id = k.owner_id AND o.state <> 'active')`
      : `SELECT s.id AS credential_id, u.id AS principal_id, ${common(schema, 'u.id')}
         FROM ${schema}.sessions s JOIN ${schema}.users u ON u.id = s.user_id CROSS JOIN ${schema}.tenant t
         WHERE s.token_hash = $1 AND s.expires_at > now() AND u.state = 'active'`;
  return { text, values: [hash] };
}

export function asCredential(row: Row | undefined): Credential | undefined {
  if (!row) return undefined;
  return {
    credentialId: String(row.credential_id),
    principalId: String(row.principal_id),
    // The column's CHECK allows these four and no other.
    tenantState: String(row.tenant_state) as Credential['tenantState'],
    plan: String(row.plan),
    planVersion: Number(row.plan_version),
    ...standingOf(row),
  };
}

export type Standing = Pick<Credential, 'roles' | 'bound' | 'rightsVersion'>;

export function standingOf(row: Row): Standing {
  return {
    roles: row.roles ? String(row.roles).split(' ') : [],
    rightsVersion: Number(row.rights_version),
  };
}

/** How a principal stands right now, for deciding about work that began earlier. */
export function principalById(tenantId: string, principalId: string): Statement {
  const schema = schemaOf(tenantId);
  return {
    text: `SELECT t.rights_version,
             (SELECT string_agg(role, ' ') FROM ${schema}.role_assignments WHERE principal_id = $1
                AND NOT EXISTS (SELECT FROM ${schema}.users WHERE id = $1 AND state <> 'active')) AS roles
           FROM ${schema}.tenant t`,
    values: [principalId],
  };
}
