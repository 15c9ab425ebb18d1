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
    "INSERT INTO users (id, sealed_email, email_key, sealed_name, state) VALUES ('usr_x', '\\x00', 'a@b', '\\x00', 'active')",
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
  quotas: "INSERT INTO quotas (id, meter, amount, origin) VALUES ('plan.agents', 'agents', 5, 'plan')",
  agents: "INSERT INTO agents (id, name, name_key, model) VALUES ('agt_x', 'Alpha', 'alpha', 'demo')",
  agent_versions:
    "INSERT INTO agent_versions (agent_id, version, sealed_definition, sealed_note, published_by) VALUES ('agt_x', 1, '\\x00', '\\x00', 'usr_x')",
  agent_hand_offs:
    "INSERT INTO agent_hand_offs (agent_id, version, to_agent_id) VALUES ('agt_x', 1, 'agt_x')",
  workflows:
    "INSERT INTO workflows (id, name, name_key, sealed_definition) VALUES ('wfl_x', 'Flow', 'flow', '\\x00')",
  workflow_versions:
    "INSERT INTO workflow_versions (workflow_id, version, sealed_definition, sealed_note, published_by) VALUES ('wfl_x', 1, '\\x00', '\\x00', 'usr_x')",
  workflow_uses:
    "INSERT INTO workflow_uses (workflow_id, version, used, used_agent_id) VALUES ('wfl_x', 1, 'agt_x', 'agt_x')",
  conversations: "INSERT INTO conversations (id, agent_id) VALUES ('con_x', 'agt_x')",
  memories:
    "INSERT INTO memories (id, agent_id, conversation_id, role, sealed_text) VALUES ('mem_x', 'agt_x', 'con_x', 'note', '\\x00')",
  memory_terms: "INSERT INTO memory_terms (agent_id, term, memory_id) VALUES ('agt_x', 't', 'mem_x')",
  package_imports: "INSERT INTO package_imports (package_id, imported_by, made) VALUES ('p', 'usr_x', '{}')",
  idempotency_keys: "INSERT INTO idempotency_keys VALUES ('usr_x', 'r', 'k', 'd')",
  setting_versions:
    "INSERT INTO setting_versions (number, document, author, reason, cause) VALUES (1, '{}', '{}', 'r', 'change')",
  scheduled_settings:
    "INSERT INTO scheduled_settings (id, operation_id, changes, author, reason, due_at, state) VALUES ('chg_x', 'op_x', '{}', '{}', 'r', now(), 'waiting')",
  legal_holds: "INSERT INTO legal_holds (id, reason, created_by) VALUES ('hld_x', 'r', '{}')",
  deletion_receipts:
    "INSERT INTO deletion_receipts (id, class, source, rule, count, first_at, last_at, digest) VALUES ('rcp_x', 'runs', 'runs', 'r', 1, now(), now(), 'd')",
  integrations:
    "INSERT INTO integrations (id, kind, name, name_key, target, credential_sealed, credential_hint, state) VALUES ('int_x', 'http', 'CRM', 'crm', '{}', '\\x00', '', 'active')",
  integration_uses:
    "INSERT INTO integration_uses (integration_id, principal_id, method, request_bytes, response_bytes, milliseconds) VALUES ('int_x', 'usr_x', 'GET', 0, 0, 0)",
  webhook_deliveries:
    "INSERT INTO webhook_deliveries (id, integration_id, type, payload) VALUES ('dlv_x', 'int_x', 'run.finished', '{}')",
  llm_providers:
    "INSERT INTO llm_providers (id, name, name_key, kind, region, timeout_seconds, created_by) VALUES ('llm_x', 'Demo', 'demo', 'demo', 'EU', 60, 'usr_x')",
  llm_credentials:
    "INSERT INTO llm_credentials (provider_id, number, secret_sealed, last_four, created_by) VALUES ('llm_x', 1, '\\x00', '1234', 'usr_x')",
  llm_uses:
    "INSERT INTO llm_uses (provider_id, purpose, principal_id, model, region) VALUES ('llm_x', 'run', 'usr_x', 'demo', 'EU')",
  usage_series: "INSERT INTO usage_series (meter) VALUES ('runs')",
  usage_outbox: "INSERT INTO usage_outbox (event) VALUES ('{}')",
  usage_keys: 'INSERT INTO usage_keys (key, at) VALUES (gen_random_uuid(), now())',
  usage_events: 'INSERT INTO usage_events (key, series, at, value) VALUES (gen_random_uuid(), 1, now(), 1)',
  usage_hours:
    'INSERT INTO usage_hours (series, hour, value, events, peak, last, last_at, weighted) VALUES (1, now(), 1, 1, 1, 1, now(), 0)',
  usage_days:
    'INSERT INTO usage_days (series, day, value, events, peak, last, last_at, weighted) VALUES (1, now(), 1, 1, 1, 1, now(), 0)',
  usage_members: "INSERT INTO usage_members (series, day, member) VALUES (1, now(), 'usr_x')",
  usage_reconciliations: "INSERT INTO usage_reconciliations (day, compared, drifts) VALUES (now(), 1, '[]')",
  usage_corrections:
    'INSERT INTO usage_corrections (key, series, at, value) VALUES (gen_random_uuid(), 1, now(), 1)',
  quota_counters:
    "INSERT INTO quota_counters (quota_id, scope_id, window_start) VALUES ('plan.agents', '', now())",
  quota_reservations: "INSERT INTO quota_reservations (id, holds, expires_at) VALUES ('r', '[]', now())",
  quota_crossings:
    "INSERT INTO quota_crossings (quota_id, scope_id, window_start, threshold, used, amount) VALUES ('plan.agents', '', now(), 80, 4, 5)",
  notifications:
    "INSERT INTO notifications (id, owner_id, kind, subject_type, subject_id, data) VALUES ('ntf_x', 'usr_x', 'k', 'Quota', 'q', '{}')",
  quota_requests:
    "INSERT INTO quota_requests (id, operation_id, quota_id, amount, sealed_reason, owner_id) VALUES ('qrq_x', 'op_x', 'plan.agents', 9, '\\x00', 'usr_x')",
  usage_ladders: "INSERT INTO usage_ladders (version, rungs, author, reason) VALUES (1, '[]', '{}', 'r')",
  usage_restrictions:
    "INSERT INTO usage_restrictions (id, key, scope, measure, cause, made_by) VALUES ('rsn_x', 'k', 'tenant', 'warn', 'limit', 'tenant')",
  key_networks: "INSERT INTO key_networks (key_id, hour, network) VALUES ('key_x', now(), 'h')",
  audit_events:
    "INSERT INTO audit_events (id, actor, action, subject_type, outcome) VALUES ('evt_x', '{}', 'a', 's', 'done')",
  runs: "INSERT INTO runs (id, agent_id, environment, state, owner_id, principal, limits, sealed_plan, sealed_input, sealed_labels) VALUES ('run_x', 'agt_x', 'live', 'queued', 'usr_x', '{}', '{}', '\\x00', '\\x00', '\\x00')",
  run_labels: "INSERT INTO run_labels (token, run_id) VALUES ('t', 'run_x')",
  run_steps:
    "INSERT INTO run_steps (run_id, path, number, kind, state) VALUES ('run_x', 'a', 1, 'tool', 'done')",
  run_events: "INSERT INTO run_events (run_id, seq, kind) VALUES ('run_x', 1, 'run')",
  run_approvals:
    "INSERT INTO run_approvals (run_id, path, role, sealed_question, expires_at) VALUES ('run_x', 'a', 'owner', '\\x00', now())",
  run_schedules:
    "INSERT INTO run_schedules (id, name, agent_id, cron, zone, sealed_input, sealed_labels, owner_id, principal) VALUES ('sch_x', 's', 'agt_x', '* * * * *', 'UTC', '\\x00', '\\x00', 'usr_x', '{}')",
  run_schedule_firings:
    "INSERT INTO run_schedule_firings (schedule_id, fire, id, outcome) VALUES ('sch_x', 'f', 'fir_x', 'started')",
  triggers:
    "INSERT INTO triggers (id, name, agent_id, sealed_secret, secret_hint, sealed_input, sealed_labels, owner_id, principal) VALUES ('trg_x', 't', 'agt_x', '\\x00', 'abcd', '\\x00', '\\x00', 'usr_x', '{}')",
  trigger_deliveries:
    "INSERT INTO trigger_deliveries (id, trigger_id, message_id, outcome) VALUES ('dlv_x', 'trg_x', 'm', 'started')",
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
