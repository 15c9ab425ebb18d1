import { Refusal } from '../../policies/refusal.ts';
import type { RunLabels } from '../../policies/run.ts';
import type { RunOverlap, StartTarget } from '../../policies/run-start.ts';
import type { Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { sealedJson } from '../sealed-json.ts';
import type { Visible } from '../visible.ts';
import type { StartOwner } from './trigger.ts';

/** Schedules of the tenant one is in: what is started when, and in whose name. The times themselves are Temporal's. */
const schedulesMax = 200;

const columns = `id, name, agent_id, workflow_id, environment, cron, zone, overlap, catch_up_seconds, sealed_input,
  sealed_labels, owner_id, principal, state, pause_reason, last_run_id, last_at, version, created_at, updated_at`;

export function scheduleById(tenantId: string, id: string): Statement {
  return { text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.run_schedules WHERE id = $1`, values: [id] };
}

export function scheduleList(
  tenantId: string,
  visible: Visible,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  const values: Statement['values'] = [];
  const slot = (value: string | number) => `$${values.push(value)}`;
  const after = cursor ? [`id < ${slot(cursor)}`] : [];
  const may = visible(values.length + 1);
  values.push(...may.values);
  const text = `SELECT ${columns} FROM ${schemaOf(tenantId)}.run_schedules
    WHERE ${[...after, may.text].join(' AND ')} ORDER BY id DESC LIMIT ${slot(limit)}`;
  return { text, values };
}

export type Scheduled = {
  name: string;
  target: StartTarget;
  environment: 'draft' | 'live';
  cron: string;
  zone: string;
  overlap: RunOverlap;
  catchUpSeconds: number;
  input: unknown;
  labels: RunLabels;
};

type SealedColumn = 'sealed_input' | 'sealed_labels';
const { seal, open: openInSchedule } = sealedJson<SealedColumn>('run_schedules');

export { openInSchedule };

export async function createSchedule(
  sql: Sql,
  keyring: Keyring,
  given: Scheduled,
  owner: StartOwner,
): Promise<string> {
  const [counted] = await sql<{ count: string }>('SELECT count(*) FROM run_schedules');
  if (Number(counted?.count) >= schedulesMax)
    throw new Refusal(
      'conflict',
      `There are ${schedulesMax} schedules, which is the most; remove one first.`,
    );
  const id = newId('sch');
  await sql(
    `INSERT INTO run_schedules (id, name, agent_id, workflow_id, environment, cron, zone, overlap, catch_up_seconds,
       sealed_input, sealed_labels, owner_id, principal)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb)`,
    [id, ...valuesOf(keyring, id, given), owner.ownerId, JSON.stringify(owner.principal)],
  );
  return id;
}

const valuesOf = (keyring: Keyring, id: string, given: Scheduled) => [
  given.name,
  'agentId' in given.target ? given.target.agentId : null,
  'workflowId' in given.target ? given.target.workflowId : null,
  given.environment,
  given.cron,
  given.zone,
  given.overlap,
  given.catchUpSeconds,
  seal(keyring, 'sealed_input', id, given.input),
  seal(keyring, 'sealed_labels', id, given.labels),
];

export async function changeSchedule(
  sql: Sql,
  keyring: Keyring,
  id: string,
  { state, owner, ...given }: Scheduled & { state: 'active' | 'paused'; owner?: StartOwner | undefined },
): Promise<void> {
  await sql(
    `UPDATE run_schedules SET name = $2, agent_id = $3, workflow_id = $4, environment = $5, cron = $6, zone = $7,
       overlap = $8, catch_up_seconds = $9, sealed_input = $10, sealed_labels = $11, state = $12,
       pause_reason = CASE WHEN $12 = 'paused' THEN pause_reason END, owner_id = coalesce($13, owner_id),
       principal = coalesce($14::jsonb, principal), version = version + 1, updated_at = now()
     WHERE id = $1`,
    [
      id,
      ...valuesOf(keyring, id, given),
      state,
      owner?.ownerId ?? null,
      owner ? JSON.stringify(owner.principal) : null,
    ],
  );
}

export async function removeSchedule(sql: Sql, id: string): Promise<void> {
  await sql('DELETE FROM run_schedules WHERE id = $1', [id]);
}

export const scheduleIds = (sql: Sql) => sql<{ id: string }>('SELECT id FROM run_schedules ORDER BY id');
