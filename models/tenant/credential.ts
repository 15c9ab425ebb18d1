import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { TokenKind } from '../tokens.ts';
import { type Stage, touchedEverySeconds } from './session.ts';

/**
 * Who a token belongs to, as of this very transaction: the person or key, today's roles, and the tenant's state
 * and plan. Read together with what is asked for, so that no cached right can outlive its revocation.
 */
export type Credential = {
  credentialId: string;
  principalId: string;
  /** The person a key belongs to; undefined for people and service keys. */
  ownerId?: string;
  tenantState: 'provisioning' | 'active' | 'suspended' | 'deleting';
  plan: string;
  planVersion: number;
  /** What was said of a key, if it may ask less than its organisation. */
  keyPerMinute?: number;
  roles: string[];
  /** Roles of the person a key belongs to, which it may not exceed; undefined when nothing bounds it. */
  bound?: string[];
  /** Raised with every change of a role's rules. */
  rightsVersion: number;
  /** It came with the token of before, which is good for a little longer but makes no new ones. */
  superseded: boolean;
  /** Of sessions only. */
  session?: SessionFacts;
};

type SessionFacts = {
  /** `enrolment`: the tenant asks for a second factor, and this person has yet to set one up. */
  stage: Stage;
  /** The token is to be exchanged with this answer. */
  rotate: boolean;
  /** Its last use was written down long enough ago to be written again. */
  stale: boolean;
};

const common = (schema: string, principal: string) => `
  t.state AS tenant_state, t.plan, t.plan_version, t.rights_version, ${rolesOf(schema, principal)} AS roles`;

const rolesOf = (schema: string, principal: string) =>
  `(SELECT string_agg(a.role, ' ') FROM ${schema}.role_assignments a WHERE a.principal_id = ${principal})`;

/** A key of a person who is gone or inactive is no key. */
const liveKeys = (schema: string) => `${schema}.api_keys k LEFT JOIN ${schema}.users o ON o.id = k.owner_id`;
const alive = `k.revoked_at IS NULL AND (k.owner_id IS NULL OR o.state = 'active')`;
/** Whose roles a key has; and those which it may not exceed, '' when its owner has none. */
const holder = 'CASE WHEN k.follows_owner THEN k.owner_id ELSE k.id END';
const boundOf = (schema: string) =>
  `CASE WHEN k.owner_id IS NOT NULL AND NOT k.follows_owner
     THEN coalesce(${rolesOf(schema, 'k.owner_id')}, '') END AS bound`;

export function credentialByToken(tenantId: string, kind: TokenKind, hash: string): Statement {
  const schema = schemaOf(tenantId);
  const text =
    kind === 'key'
      ? `SELECT k.id AS credential_id, k.id AS principal_id, k.owner_id, k.token_hash <> $1 AS superseded,
           k.requests_per_minute,
           ${boundOf(schema)}, ${common(schema, holder)}
         FROM ${liveKeys(schema)} CROSS JOIN ${schema}.tenant t
         WHERE (k.token_hash = $1 OR (k.previous_hash = $1 AND k.previous_until > now()))
           AND (k.expires_at IS NULL OR k.expires_at > now()) AND ${alive}`
      : `SELECT s.id AS credential_id, u.id AS principal_id, s.token_hash <> $1 AS superseded, s.stage, s.rotate AND s.token_hash = $1 AS rotate,
           s.last_used_at < now() - make_interval(secs => ${touchedEverySeconds}) AS stale, ${common(schema, 'u.id')}
         FROM ${schema}.sessions s JOIN ${schema}.users u ON u.id = s.user_id CROSS JOIN ${schema}.tenant t
         WHERE (s.token_hash = $1 OR (s.previous_hash = $1 AND s.previous_until > now()))
           AND s.expires_at > now() AND s.last_used_at + make_interval(secs => s.idle_seconds) > now()
           AND u.state = 'active'`;
  return { text, values: [hash] };
}

export function asCredential(row: Row | undefined): Credential | undefined {
  if (!row) return undefined;
  return {
    credentialId: String(row.credential_id),
    principalId: String(row.principal_id),
    ...(typeof row.owner_id === 'string' && { ownerId: row.owner_id }),
    // The column's CHECK allows these four and no other.
    tenantState: String(row.tenant_state) as Credential['tenantState'],
    plan: String(row.plan),
    planVersion: Number(row.plan_version),
    ...(typeof row.requests_per_minute === 'number' && { keyPerMinute: row.requests_per_minute }),
    ...standingOf(row),
    superseded: row.superseded === true,
    ...(row.stage !== undefined && {
      session: { stage: row.stage as Stage, rotate: row.rotate === true, stale: row.stale === true },
    }),
  };
}

export type Standing = Pick<Credential, 'roles' | 'bound' | 'rightsVersion'>;

export function standingOf(row: Row): Standing {
  return {
    roles: row.roles ? String(row.roles).split(' ') : [],
    ...(typeof row.bound === 'string' && { bound: row.bound.split(' ').filter(Boolean) }),
    rightsVersion: Number(row.rights_version),
  };
}

/**
 * How a principal stands right now, for deciding about work that began earlier. What a key asked for goes on when the
 * key expires, as it does when a session ends; not when it is revoked, or when its owner or the person is inactive.
 */
export function principalById(tenantId: string, principalId: string): Statement {
  const schema = schemaOf(tenantId);
  return {
    text: `SELECT t.rights_version, p.bound, ${rolesOf(schema, 'p.holder')} AS roles
           FROM ${schema}.tenant t LEFT JOIN (
             SELECT id AS holder, NULL AS bound FROM ${schema}.users WHERE id = $1 AND state = 'active'
             UNION ALL
             SELECT ${holder}, ${boundOf(schema)} FROM ${liveKeys(schema)} WHERE k.id = $1 AND ${alive}
           ) p ON true`,
    values: [principalId],
  };
}
