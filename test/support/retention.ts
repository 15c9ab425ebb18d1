import { newId } from '../../models/ids.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { placeOf } from '../../models/system/tenant.ts';
import { addPerson } from '../../models/tenant/person.ts';
import { addVersion } from '../../models/tenant/setting-book.ts';
import type { Principal } from '../../policies/principal.ts';
import type { SettingDocument } from '../../policies/settings.ts';
import { retentionId } from '../../workflows/registry.ts';
import { madeTenant } from './lifecycle.ts';
import { triggered } from './scheduled.ts';

export async function agedTenant(operator: Principal): Promise<Place> {
  const { tenantId } = await madeTenant(operator);
  const place = await placeOf(tenantId);
  if (!place) throw new Error(`there is no tenant ${tenantId}`);
  return place;
}

const ages = ["interval '1 minute'", "interval '410 days'"];

/** What the rows below belong to, for this person alone. */
const parents = (userId: string): string[] => [
  `INSERT INTO agents (id, name, name_key, model) VALUES ('agt_${userId}', '${userId}', '${userId}', 'demo')`,
  `INSERT INTO conversations (id, agent_id) VALUES ('con_${userId}', 'agt_${userId}')`,
  `INSERT INTO integrations (id, kind, name, name_key, target, credential_sealed, credential_hint, state)
   VALUES ('int_${userId}', 'http', '${userId}', '${userId}', '{}', '\\x00', '', 'active')`,
  `INSERT INTO run_schedules (id, name, agent_id, cron, zone, sealed_input, sealed_labels, owner_id, principal)
   VALUES ('sch_${userId}', 's', 'agt_${userId}', '* * * * *', 'UTC', '\\x00', '\\x00', '${userId}', '{}')`,
  `INSERT INTO triggers (id, name, agent_id, sealed_secret, secret_hint, sealed_input, sealed_labels, owner_id, principal)
   VALUES ('trg_${userId}', 't', 'agt_${userId}', '\\x00', '', '\\x00', '\\x00', '${userId}', '{}')`,
  `INSERT INTO usage_series (meter, agent_id) VALUES ('tool-calls', 'agt_${userId}')`,
  `INSERT INTO quotas (id, meter, time_window, amount, origin) VALUES ('q_${userId}', 'runs', 'day', 1, 'tenant')`,
];

const rowsOf = (userId: string, id: string, age: string): string[] => [
  `INSERT INTO sessions (id, user_id, token_hash, expires_at) VALUES ('${id}', '${userId}', '${id}', now() - ${age})`,
  `INSERT INTO sign_in_failures (key, count, since) VALUES ('${id}', 1, now() - ${age})`,
  `INSERT INTO sign_in_places (user_id, place, last_at) VALUES ('${userId}', '${id}', now() - ${age})`,
  `INSERT INTO password_resets (id, user_id, expires_at) VALUES ('${id}', '${userId}', now() - ${age})`,
  `INSERT INTO invitations (id, user_id, roles, state, expires_at, ended_at) VALUES ('${id}', '${userId}', '{viewer}', 'expired', now(), now() - ${age})`,
  `INSERT INTO idempotency_keys (principal, route, key, body_digest, created_at) VALUES ('${userId}', 'r', '${id}', 'd', now() - ${age})`,
  `INSERT INTO audit_events (id, at, actor, action, subject_type, subject_id, outcome)
   VALUES ('${newId('evt')}', now() - ${age}, '{"kind":"user","id":"${userId}"}', 'a', 'Test', '${userId}', 'done')`,
  `INSERT INTO runs (id, agent_id, environment, state, owner_id, principal, limits, sealed_plan, sealed_input, sealed_labels, created_at, ended_at)
   VALUES ('${id}', 'agt_${userId}', 'live', 'succeeded', '${userId}', '{}', '{}', '\\x00', '\\x00', '\\x00', now() - ${age}, now() - ${age})`,
  `INSERT INTO run_schedule_firings (schedule_id, fire, id, outcome, fired_at) VALUES ('sch_${userId}', '${id}', '${id}', 'started', now() - ${age})`,
  `INSERT INTO trigger_deliveries (id, trigger_id, message_id, outcome, received_at) VALUES ('${id}', 'trg_${userId}', '${id}', 'started', now() - ${age})`,
  `INSERT INTO llm_uses (provider_id, purpose, principal_id, model, region, at) VALUES ('llm_x', 'run', '${userId}', 'demo', 'EU', now() - ${age})`,
  `INSERT INTO integration_uses (integration_id, principal_id, method, request_bytes, response_bytes, milliseconds, at)
   VALUES ('int_${userId}', '${userId}', 'GET', 0, 0, 0, now() - ${age})`,
  `INSERT INTO usage_corrections (key, series, at, value) VALUES (gen_random_uuid(),
     (SELECT id FROM usage_series WHERE agent_id = 'agt_${userId}'), now() - ${age}, 1)`,
  `WITH s AS (INSERT INTO usage_series (meter, kind) VALUES ('users.active', '${id}') RETURNING id)
   INSERT INTO usage_members (series, day, member) SELECT id, (now() - ${age} + interval '1 minute')::date, '${userId}' FROM s`,
  `INSERT INTO quota_reservations (id, state, holds, expires_at, ended_at)
   VALUES ('${id}', 'settled', '[]', now() - ${age}, now() - ${age})`,
  `INSERT INTO quota_counters (quota_id, scope_id, window_start) VALUES ('q_${userId}', '${id}', now() - ${age})`,
  `INSERT INTO memories (id, agent_id, conversation_id, role, sealed_text, created_at)
   VALUES ('${id}', 'agt_${userId}', 'con_${userId}', 'note', '\\x00', now() - ${age})`,
  `INSERT INTO webhook_deliveries (id, integration_id, type, payload, state, created_at, ended_at)
   VALUES ('${id}', 'int_${userId}', 'run.finished', '{}', 'delivered', now() - ${age}, now() - ${age})`,
  `INSERT INTO notifications (id, owner_id, kind, subject_type, subject_id, data, created_at)
   VALUES ('${id}', '${userId}', 'quota.threshold', 'Quota', 'plan.runs', '{}', now() - ${age})`,
  `INSERT INTO key_networks (key_id, hour, network) VALUES ('${userId}', now() - ${age}, '${id}')`,
  `INSERT INTO usage_restrictions (id, key, scope, scope_id, measure, cause, made_by, ended_at)
   VALUES ('${id}', '${id}', 'user', '${userId}', 'slow', 'spike', 'tenant', now() - ${age})`,
  `INSERT INTO quota_crossings (quota_id, scope_id, window_start, threshold, used, amount, resolved_at)
   VALUES ('plan.runs', '${id}', now(), 80, 8, 10, now() - ${age})`,
  `INSERT INTO quota_requests (id, operation_id, quota_id, amount, sealed_reason, owner_id, state, ended_at)
   VALUES ('${id}', 'op_x', 'plan.runs', 9, '\\x00', '${userId}', 'reverted', now() - ${age})`,
];

/** Rows of each age in every table that retention knows; of the old ones, the ids in the tables that have some. */
export async function fill(place: Place, each = 1): Promise<{ userId: string }> {
  const userId = newId('usr');
  await inTenant(place, async ({ sql }) => {
    const email = `${userId}@example.com`;
    await addPerson(sql, { id: userId, email, name: 'A Person', state: 'active' });
    for (const row of parents(userId)) await sql(row);
    for (let at = 0; at < each; at++)
      for (const age of ages) for (const row of rowsOf(userId, newId('ses'), age)) await sql(row);
  });
  return { userId };
}

export const aged = {
  sessions: 'expires_at',
  sign_in_failures: 'since',
  sign_in_places: 'last_at',
  password_resets: 'expires_at',
  invitations: 'ended_at',
  idempotency_keys: 'created_at',
  audit_events: 'at',
  runs: 'ended_at',
  run_schedule_firings: 'fired_at',
  trigger_deliveries: 'received_at',
  llm_uses: 'at',
  integration_uses: 'at',
  usage_corrections: 'at',
  usage_members: 'day',
  quota_reservations: 'ended_at',
  quota_counters: 'window_start',
  memories: 'created_at',
  webhook_deliveries: 'ended_at',
  notifications: 'created_at',
  key_networks: 'hour',
  usage_restrictions: 'ended_at',
  quota_crossings: 'resolved_at',
  quota_requests: 'ended_at',
};

/** Of these nobody can say whose they are, so that a hold on anybody keeps them all. */
export const nobodys = [
  'sign_in_failures',
  'run_schedule_firings',
  'trigger_deliveries',
  'usage_corrections',
  'quota_reservations',
  'quota_counters',
  'memories',
  'webhook_deliveries',
  'quota_crossings',
];

/** How many old rows there are left in each table. */
export async function oldRows(place: Place): Promise<Record<string, number>> {
  return inTenant(place, async ({ sql }) => {
    const counts: Record<string, number> = {};
    for (const [table, column] of Object.entries(aged)) {
      const [row] = await sql<{ count: number }>(
        `SELECT count(*)::int AS count FROM ${table} WHERE ${column} < now() - interval '300 days'`,
      );
      counts[table] = row?.count ?? 0;
    }
    return counts;
  });
}

export async function say(place: Place, document: SettingDocument): Promise<void> {
  const author: Principal = { kind: 'system', id: 'system:bootstrap' };
  const noKeys = () => Promise.reject(new Error('nothing here is sealed'));
  await inTenant(place, ({ sql }) =>
    addVersion(sql, noKeys, { document, packs: [], author, reason: 'a test', cause: 'change' }),
  );
}

export const triggerRetention = (region: string) => triggered(retentionId(region));
