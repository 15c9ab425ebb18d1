import pg from 'pg';
import { cellAdministrator, cellOf, loginName, loginPassword } from '../../models/databases.ts';
import { newId, schemaOf } from '../../models/ids.ts';
import { inTenant, type Place, sqlState } from '../../models/scope.ts';
import { ensureTenantSchema, tenantTableNames } from '../../models/tenant-schema.ts';

/** Tenants without an installation around them, filled alike, and raw statements as any role with any context. */
export const cell = 'eu-1';

const fillings: Record<string, string> = {
  tenant: "INSERT INTO tenant VALUES ('ten_x', 'active', 'team', 1)",
  users:
    "INSERT INTO users (id, email, email_key, name, state) VALUES ('usr_x', 'a@b', 'a@b', 'Ada', 'active')",
  identities: "INSERT INTO identities (id, user_id, kind, secret) VALUES ('idn_x', 'usr_x', 'password', 's')",
  roles: "INSERT INTO roles (name, title, built_in) VALUES ('owner', 'Owner', true)",
  role_assignments: "INSERT INTO role_assignments VALUES ('usr_x', 'owner')",
  invitations:
    "INSERT INTO invitations (id, user_id, roles, state, expires_at) VALUES ('inv_x', 'usr_x', '{owner}', 'pending', now())",
  second_factors: "INSERT INTO second_factors (user_id, sealed) VALUES ('usr_x', '\\x00')",
  recovery_codes: "INSERT INTO recovery_codes (user_id, code_hash) VALUES ('usr_x', 'h')",
  password_resets: "INSERT INTO password_resets (id, user_id, expires_at) VALUES ('rst_x', 'usr_x', now())",
  sign_in_failures: "INSERT INTO sign_in_failures (key, count) VALUES ('k', 1)",
  sign_in_places: "INSERT INTO sign_in_places (user_id, place) VALUES ('usr_x', 'p')",
  duty_separations: "INSERT INTO duty_separations (id, name, roles) VALUES ('dut_x', 'Two', '{a,b}')",
  sessions:
    "INSERT INTO sessions (id, user_id, token_hash, expires_at) VALUES ('ses_x', 'usr_x', 'h', now())",
  api_keys: "INSERT INTO api_keys (id, name, token_hash) VALUES ('key_x', 'Key', 'h')",
  settings: "INSERT INTO settings (key, value) VALUES ('k', '1')",
  quotas: "INSERT INTO quotas VALUES ('agents', 5, 'plan')",
  agents: "INSERT INTO agents (id, name, name_key, model) VALUES ('agt_x', 'Alpha', 'alpha', 'demo')",
  idempotency_keys: "INSERT INTO idempotency_keys VALUES ('usr_x', 'r', 'k', 'd')",
  audit_events:
    "INSERT INTO audit_events (id, actor, action, subject_type, outcome) VALUES ('evt_x', '{}', 'a', 's', 'done')",
};

export function fillingOf(table: string): string {
  const filling = fillings[table];
  if (!filling) throw new Error(`test/support/catalogue.ts has no row for ${table}`);
  return filling;
}

/** A tenant with one row in every table; the rows of all such tenants are equal. */
export async function filledTenant(login: number): Promise<Place> {
  const place = { tenantId: newId('ten'), cell, login };
  await ensureTenantSchema(place, `test-${place.tenantId}`);
  await inTenant(place, async ({ sql }) => {
    for (const table of tenantTableNames) await sql(fillingOf(table));
  });
  return place;
}

export type As = { role?: string | undefined; context?: string };

/** A connection of one's own as one of Freehold's logins: what a thief of its password would have. */
export async function connectAs(login: string, adminUrl: string): Promise<pg.Client> {
  const url = new URL(adminUrl);
  url.username = login;
  url.password = loginPassword(login);
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  return client;
}

const connected = new Map<string, Promise<pg.Client>>();

/** What a statement answers to a tenants' login that has taken this role and context: rows, or the SQLSTATE. */
export async function attempt(login: number, as: As, text: string): Promise<pg.QueryResult | string> {
  const { url } = cellOf(cell);
  const key = `${login} ${url}`;
  const connecting = connected.get(key) ?? connectAs(loginName(cell, login), url);
  connected.set(key, connecting);
  const client = await connecting;
  try {
    await client.query('BEGIN');
    if (as.role) await client.query(`SELECT set_config('role', $1, true)`, [as.role]);
    if (as.context) await client.query(`SELECT set_config('app.tenant', $1, true)`, [as.context]);
    return await client.query(text);
  } catch (cause) {
    return sqlState(cause) ?? String(cause);
  } finally {
    await client.query('ROLLBACK');
  }
}

export async function asked<T extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> {
  return (await cellAdministrator(cell).query<T>(text, values)).rows;
}

export const schemas = (...places: Place[]): string[] => places.map(({ tenantId }) => schemaOf(tenantId));
