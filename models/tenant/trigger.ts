import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { RunLabels } from '../../policies/run.ts';
import type { StartTarget } from '../../policies/run-start.ts';
import type { Row, Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { sealedJson } from '../sealed-json.ts';
import { webhookSecret } from '../tokens.ts';
import type { Visible } from '../visible.ts';

/**
 * Triggers of the tenant one is in: signed calls from outside that start runs. The secret is made here, shown once and
 * kept sealed; after an exchange the one before stays good for the overlap.
 */
const triggersMax = 500;

const columns = `id, name, agent_id, workflow_id, environment, secret_hint,
  CASE WHEN previous_until > now() THEN previous_until END AS previous_until, sealed_input, sealed_labels, owner_id,
  state, pause_reason, version, created_at, updated_at`;

export function triggerById(tenantId: string, id: string): Statement {
  return { text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.triggers WHERE id = $1`, values: [id] };
}

/** All that a delivery is judged by, secrets and principal too; never shown. */
export function triggerToDeliver(tenantId: string, id: string): Statement {
  const schema = schemaOf(tenantId);
  return {
    text: `SELECT g.*, t.state AS tenant_state FROM ${schema}.triggers g CROSS JOIN ${schema}.tenant t WHERE g.id = $1`,
    values: [id],
  };
}

export function triggerList(
  tenantId: string,
  visible: Visible,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  const values: Statement['values'] = [];
  const slot = (value: string | number) => `$${values.push(value)}`;
  const after = cursor ? [`id < ${slot(cursor)}`] : [];
  const may = visible(values.length + 1);
  values.push(...may.values);
  const text = `SELECT ${columns} FROM ${schemaOf(tenantId)}.triggers WHERE ${[...after, may.text].join(' AND ')}
    ORDER BY id DESC LIMIT ${slot(limit)}`;
  return { text, values };
}

export type Started = {
  name: string;
  target: StartTarget;
  environment: 'draft' | 'live';
  input: unknown;
  labels: RunLabels;
};

/** In whose name it starts runs. */
export type StartOwner = { ownerId: string; principal: Principal };

type SealedColumn = 'sealed_input' | 'sealed_labels' | 'sealed_secret' | 'sealed_previous_secret';
const { seal, open: openInTrigger } = sealedJson<SealedColumn>('triggers');

export { openInTrigger };

export async function createTrigger(
  sql: Sql,
  keyring: Keyring,
  given: Started,
  owner: StartOwner,
): Promise<{ id: string; secret: string }> {
  const [counted] = await sql<{ count: string }>('SELECT count(*) FROM triggers');
  if (Number(counted?.count) >= triggersMax)
    throw new Refusal('conflict', `There are ${triggersMax} triggers, which is the most; remove one first.`);
  const id = newId('trg');
  const secret = webhookSecret();
  await sql(
    `INSERT INTO triggers (id, name, agent_id, workflow_id, environment, sealed_secret, secret_hint, sealed_input,
       sealed_labels, owner_id, principal) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb)`,
    [
      id,
      given.name,
      ...targets(given.target),
      given.environment,
      seal(keyring, 'sealed_secret', id, secret),
      hintOf(secret),
      seal(keyring, 'sealed_input', id, given.input),
      seal(keyring, 'sealed_labels', id, given.labels),
      owner.ownerId,
      JSON.stringify(owner.principal),
    ],
  );
  return { id, secret };
}

const targets = (target: StartTarget): [string | null, string | null] =>
  'agentId' in target ? [target.agentId, null] : [null, target.workflowId];

/** Enough to tell two secrets apart; the last characters are no part of what pads the base64. */
const hintOf = (secret: string): string => secret.slice(-5, -1);

/** The secret stays as it is. */
export async function changeTrigger(
  sql: Sql,
  keyring: Keyring,
  id: string,
  { state, owner, ...given }: Started & { state: 'active' | 'paused'; owner?: StartOwner | undefined },
): Promise<void> {
  await sql(
    `UPDATE triggers SET name = $2, agent_id = $3, workflow_id = $4, environment = $5, sealed_input = $6,
       sealed_labels = $7, state = $8, pause_reason = CASE WHEN $8 = 'paused' THEN pause_reason END,
       owner_id = coalesce($9, owner_id), principal = coalesce($10::jsonb, principal), version = version + 1,
       updated_at = now()
     WHERE id = $1`,
    [
      id,
      given.name,
      ...targets(given.target),
      given.environment,
      seal(keyring, 'sealed_input', id, given.input),
      seal(keyring, 'sealed_labels', id, given.labels),
      state,
      owner?.ownerId ?? null,
      owner ? JSON.stringify(owner.principal) : null,
    ],
  );
}

export async function exchangeTriggerSecret(
  sql: Sql,
  keyring: Keyring,
  id: string,
  { overlapSeconds, owner }: { overlapSeconds: number; owner: StartOwner },
): Promise<string> {
  const [row] = await sql<Row>('SELECT id, sealed_secret FROM triggers WHERE id = $1 FOR UPDATE', [id]);
  const before = row && openInTrigger(keyring, 'sealed_secret', row);
  const secret = webhookSecret();
  await sql(
    `UPDATE triggers SET sealed_secret = $2, secret_hint = $3, sealed_previous_secret = $4,
       previous_until = now() + make_interval(secs => $5), owner_id = $6, principal = $7::jsonb, version = version + 1,
       updated_at = now()
     WHERE id = $1`,
    [
      id,
      seal(keyring, 'sealed_secret', id, secret),
      hintOf(secret),
      overlapSeconds > 0 ? seal(keyring, 'sealed_previous_secret', id, before) : null,
      overlapSeconds,
      owner.ownerId,
      JSON.stringify(owner.principal),
    ],
  );
  return secret;
}

export async function removeTrigger(sql: Sql, id: string): Promise<void> {
  await sql('DELETE FROM triggers WHERE id = $1', [id]);
}
