import type { IntegrationKind, Targets, Verdict } from '../../policies/integration.ts';
import { failedVerdict, hintOf } from '../../policies/integration.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import { isDuplicate, type Sql } from '../scope.ts';

/** Integrations of the tenant one is in. Secrets go in, and come out only to be used (activities/integration/). */
export type Integration<K extends IntegrationKind = IntegrationKind> = {
  id: string;
  kind: K;
  name: string;
  target: Targets[K];
  credential_sealed: Buffer;
  credential_hint: string;
  previous_sealed: Buffer | null;
  previous_until: Date | null;
  token_sealed: Buffer | null;
  expires_at: Date | null;
  state: 'active' | 'unverified' | 'failing';
  failing_since: Date | null;
  certificate_until: Date | null;
  warned_days: number | null;
  version: number;
};

const shown = `id, kind, name, target, credential_hint, credential_since, previous_until, expires_at, state,
  failing_since, checks, checked_at, certificate_until, breaker, breaker_since, version, created_at, updated_at`;
const used = `id, kind, name, target, credential_sealed, credential_hint, previous_sealed, previous_until, token_sealed,
  expires_at, state, failing_since, certificate_until, warned_days, version`;

/** What may be shown; the sealed columns are not among them. */
export function integrationById(tenantId: string, id: string): Statement {
  return { text: `SELECT ${shown} FROM ${schemaOf(tenantId)}.integrations WHERE id = $1`, values: [id] };
}

export type IntegrationFilter = {
  kind?: string | undefined;
  state?: string | undefined;
  cursor?: string | undefined;
};

export function integrationList(tenantId: string, filter: IntegrationFilter, limit: number): Statement {
  return {
    text: `SELECT ${shown} FROM ${schemaOf(tenantId)}.integrations
           WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR id < $3)
           ORDER BY id DESC LIMIT $4`,
    values: [filter.kind ?? null, filter.state ?? null, filter.cursor ?? null, limit],
  };
}

/** With what is sealed, to be used. */
export async function integrationToUse(sql: Sql, id: string): Promise<Integration | undefined> {
  const [row] = await sql<Integration>(`SELECT ${used} FROM integrations WHERE id = $1`, [id]);
  return row;
}

export const credentialColumn = 'integrations.credential_sealed';
export const previousColumn = 'integrations.previous_sealed';

/** What opens the other system: the credential, and beside it the one before, while both are good. */
export function credentialsOf(
  keyring: Keyring,
  integration: Integration,
  now = new Date(),
): [string, ...string[]] {
  const { id, credential_sealed, previous_sealed, previous_until } = integration;
  const current = keyring.open(credentialColumn, id, credential_sealed);
  if (!previous_sealed || !previous_until || previous_until <= now) return [current];
  return [current, keyring.open(previousColumn, id, previous_sealed)];
}

export type NewIntegration = {
  kind: IntegrationKind;
  name: string;
  target: object;
  credential: string;
  expiresAt: string | null;
};

/** What a check found, or undefined where whoever saved it did not want one. */
export type Found = { verdicts: Verdict[]; certificateUntil: Date | null } | undefined;

export const stateAfter = (found: Found) =>
  found === undefined ? 'unverified' : failedVerdict(found.verdicts) ? 'failing' : 'active';

export async function createIntegration(
  sql: Sql,
  keyring: Keyring,
  given: NewIntegration,
  found: Found,
): Promise<string> {
  const id = newId('int');
  const { kind, name, target, credential, expiresAt } = given;
  await onceNamed(name, () =>
    sql(
      `INSERT INTO integrations (id, kind, name, name_key, target, credential_sealed, credential_hint, expires_at, state,
         checks, checked_at, certificate_until)
       VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9, $10::jsonb, CASE WHEN $9 <> 'unverified' THEN now() END, $11)`,
      [
        id,
        kind,
        name,
        nameKey(name),
        JSON.stringify(target),
        keyring.seal(credentialColumn, id, credential),
        hintOf(credential),
        expiresAt,
        stateAfter(found),
        JSON.stringify(found?.verdicts ?? []),
        found?.certificateUntil ?? null,
      ],
    ),
  );
  return id;
}

export type Changes = {
  name: string;
  target: object;
  expiresAt: string | null;
  credential?: string | undefined;
};

/** A changed credential or target forgets what was got and warned of by the old ones. */
export async function changeIntegration(
  sql: Sql,
  keyring: Keyring,
  id: string,
  changes: Changes,
): Promise<void> {
  const { name, target, expiresAt, credential } = changes;
  const sealed = credential === undefined ? null : keyring.seal(credentialColumn, id, credential);
  await onceNamed(name, () =>
    sql(
      `UPDATE integrations SET name = $2, name_key = $3, target = $4::jsonb, expires_at = $5,
         credential_sealed = coalesce($6::bytea, credential_sealed), credential_hint = coalesce($7, credential_hint),
         credential_since = CASE WHEN $6::bytea IS NULL THEN credential_since ELSE now() END,
         previous_sealed = CASE WHEN $6::bytea IS NULL THEN previous_sealed END,
         previous_until = CASE WHEN $6::bytea IS NULL THEN previous_until END,
         token_sealed = NULL, warned_days = NULL, version = version + 1, updated_at = now()
       WHERE id = $1`,
      [
        id,
        name,
        nameKey(name),
        JSON.stringify(target),
        expiresAt,
        sealed,
        credential ? hintOf(credential) : null,
      ],
    ),
  );
}

export async function deleteIntegration(sql: Sql, id: string): Promise<void> {
  await sql('DELETE FROM integrations WHERE id = $1', [id]);
}

const nameKey = (name: string): string => name.normalize('NFKC').toLowerCase();

async function onceNamed<T>(name: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (!isDuplicate(cause)) throw cause;
    const detail = `There is already an integration called “${name}”.`;
    throw new Refusal('conflict', detail, { cause, errors: [{ pointer: '/name', code: 'taken', detail }] });
  }
}
