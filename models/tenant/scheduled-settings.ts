import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import { asDocument } from '../../policies/setting-inheritance.ts';
import type { Row, Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import { type Keyring, keyringOf } from '../keyring.ts';
import type { Place, Sql } from '../scope.ts';
import { apart } from './setting-book.ts';
import { changeSettings } from './setting-change.ts';

/** Changes of settings that shall come into force at a time: kept, called off, carried out, each once. */
type Scheduled = {
  agentId?: string | undefined;
  set: object;
  unset: string[];
  dueAt: string;
  reason: string;
  author: Principal;
  operationId: string;
};

const sealedColumn = 'scheduled_settings.sealed_changes';
const columns = `id, operation_id, agent_id, changes, author, reason, due_at, state, outcome, version, created_at, ended_at`;

export async function schedule(sql: Sql, keyring: () => Promise<Keyring>, asked: Scheduled): Promise<Row> {
  const id = newId('chg');
  const { open, secret } = apart(asDocument(asked.set));
  const sealed = secret && (await keyring()).seal(sealedColumn, id, JSON.stringify(secret));
  const [row = {}] = await sql<Row>(
    `INSERT INTO scheduled_settings (id, operation_id, agent_id, changes, sealed_changes, author, reason, due_at, state)
     VALUES ($1, $2, $3, $4::jsonb, $5, $6::jsonb, $7, $8, 'waiting') RETURNING ${columns}`,
    [
      id,
      asked.operationId,
      asked.agentId ?? null,
      JSON.stringify({ set: open, unset: asked.unset }),
      sealed ?? null,
      JSON.stringify(asked.author),
      asked.reason,
      asked.dueAt,
    ],
  );
  return row;
}

export const scheduledById = (tenantId: string, id: string): Statement => ({
  text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.scheduled_settings WHERE id = $1`,
  values: [id],
});

export const scheduledList = (tenantId: string, after: string | undefined, limit: number): Statement => ({
  text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.scheduled_settings
         WHERE ($1::text IS NULL OR id < $1) ORDER BY id DESC LIMIT $2`,
  values: [after ?? null, limit],
});

export async function callOff(sql: Sql, id: string): Promise<Row> {
  const [row] = await sql<Row>(
    `UPDATE scheduled_settings SET state = 'called-off', ended_at = now() WHERE id = $1 AND state = 'waiting'
     RETURNING ${columns}`,
    [id],
  );
  if (!row) throw new Refusal('conflict', 'This change waits no longer; read it to see what became of it.');
  return row;
}

/** When it is due; undefined when it waits no longer. */
export async function dueAt(sql: Sql, id: string): Promise<Date | undefined> {
  const [row] = await sql<{ due: Date }>(
    "SELECT due_at AS due FROM scheduled_settings WHERE id = $1 AND state = 'waiting'",
    [id],
  );
  return row?.due;
}

type Waiting = {
  agent_id: string | null;
  changes: { set: object; unset: string[] };
  sealed_changes: Buffer | null;
  reason: string;
};
export type Outcome = { state: 'applied' | 'refused' | 'called-off' | 'gone'; version?: number };

/** In turn, and judged by what holds now, which may not be what held when it was asked for. */
export async function applyScheduled(
  sql: Sql,
  place: Place,
  id: string,
  author: Principal,
): Promise<Outcome> {
  const [row] = await sql<Waiting>(
    `SELECT agent_id, changes, sealed_changes, reason FROM scheduled_settings WHERE id = $1 AND state = 'waiting' FOR UPDATE`,
    [id],
  );
  if (!row) return outcomeOf(sql, id);
  const secret: unknown = row.sealed_changes
    ? JSON.parse((await keyringOf(place)).open(sealedColumn, id, row.sealed_changes))
    : {};
  const { set, unset } = row.changes;
  const { version } = await changeSettings(sql, place, {
    agentId: row.agent_id ?? undefined,
    next: (own) =>
      Object.fromEntries(
        Object.entries({ ...own, ...set, ...asDocument(secret) }).filter(([key]) => !unset.includes(key)),
      ),
    pointer: (path) => `/${path.join('/')}`,
    author,
    reason: row.reason,
    cause: 'schedule',
  });
  await sql("UPDATE scheduled_settings SET state = 'applied', version = $2, ended_at = now() WHERE id = $1", [
    id,
    version,
  ]);
  return { state: 'applied', version };
}

async function outcomeOf(sql: Sql, id: string): Promise<Outcome> {
  const [row] = await sql<{ state: 'applied' | 'refused' | 'called-off'; version: number | null }>(
    'SELECT state, version FROM scheduled_settings WHERE id = $1',
    [id],
  );
  return { state: row?.state ?? 'gone', ...(row?.version && { version: row.version }) };
}

/** It could not come into force; why is kept. One that has, or was called off, stays as it is. */
export async function refuseScheduled(sql: Sql, id: string, outcome: string): Promise<void> {
  await sql(
    "UPDATE scheduled_settings SET state = 'refused', outcome = $2, ended_at = now() WHERE id = $1 AND state = 'waiting'",
    [id, outcome],
  );
}
