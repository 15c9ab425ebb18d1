import type { DataClass } from '../../policies/data-class.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Row, Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';

/**
 * What must not be deleted, whatever retention, packs, people or the deletion of the organisation say. Making a hold
 * and deleting by retention take turns (models/tenant/turn.ts): once a hold is made, nothing under it goes any more.
 */
type Asked = {
  class: DataClass;
  /** Whose data it is; without it, it is anybody's. */
  subjectId?: string;
};

/** Whether some of it is held. */
export async function isHeld(sql: Sql, { class: kind, subjectId }: Asked): Promise<boolean> {
  const [row] = await sql<{ held: boolean }>(
    `SELECT EXISTS (SELECT FROM legal_holds WHERE released_at IS NULL AND (class IS NULL OR class = $1)
       AND ($2::text IS NULL OR subject_id IS NULL OR subject_id = $2)) AS held`,
    [kind, subjectId ?? null],
  );
  return row?.held ?? false;
}

const heldNow = (): Refusal =>
  new Refusal(
    'conflict',
    'A legal hold keeps this from being deleted; GET /v1/legal-holds says which, and why.',
  );

/**
 * Memories go by whatever name the organisation has for a person, holds by the person's id. What goes by another kind of
 * name may be of whoever is held, so it stays, as it does with retention.
 */
export async function refuseHeldMemory(sql: Sql, subjects: readonly string[]): Promise<void> {
  const [row] = await sql(
    `SELECT FROM legal_holds WHERE released_at IS NULL AND (class IS NULL OR class = 'memory') AND (subject_id IS NULL
       OR cardinality($1::text[]) = 0 OR lower(subject_id) = ANY ($1)
       OR EXISTS (SELECT FROM unnest($1::text[]) AS s WHERE starts_with(subject_id, 'usr_') AND NOT starts_with(s, 'usr_')))
     LIMIT 1`,
    [subjects],
  );
  if (row) throw heldNow();
}

/** What goes with a row when it is removed: names of the tenant's own tables, and SQL of ours alone. */
type Following = { class: DataClass; table: string; column: string };
const following = {
  agent: [{ class: 'memory', table: 'memories', column: 'agent_id' }],
  trigger: [{ class: 'runs', table: 'trigger_deliveries', column: 'trigger_id' }],
  integration: [
    { class: 'runs', table: 'integration_uses', column: 'integration_id' },
    { class: 'webhooks', table: 'webhook_deliveries', column: 'integration_id' },
  ],
} satisfies Record<string, Following[]>;

/** Before something is removed, with which more would go; call it in turn. Whose that is, is not asked: a hold on any of it counts. */
export async function refuseHeldWith(sql: Sql, kind: keyof typeof following, id: string): Promise<void> {
  for (const { class: held, table, column } of following[kind]) {
    const kept = `SELECT 1 FROM ${table} WHERE ${column} = $1 AND NOT (${unheld(held, [])}) LIMIT 1`;
    if ((await sql(kept, [id])).length === 0) continue;
    const what = table.replaceAll('_', ' ');
    throw new Refusal(
      'conflict',
      `A legal hold keeps the ${what} of this ${kind} from being deleted, and they would go with it; GET /v1/legal-holds says which.`,
    );
  }
}

/** What goes with a person's row. */
const ofPerson: DataClass[] = ['sessions', 'sign-ins', 'invitations'];

/** Before a person is removed, with whom some of it would go. */
export async function refuseHeldPerson(sql: Sql, userId: string): Promise<void> {
  for (const kind of ofPerson)
    if (await isHeld(sql, { class: kind, subjectId: userId }))
      throw new Refusal(
        'conflict',
        `A legal hold keeps the ${kind} of this person from being deleted, so they can be deactivated, not removed; GET /v1/legal-holds says which.`,
      );
}

/** Before the organisation is deleted, by whoever: a hold is released by its owner and nobody else. */
export async function refuseHeldTenant(sql: Sql): Promise<void> {
  const [{ count = 0 } = {}] = await sql<{ count: number }>(
    'SELECT count(*)::int AS count FROM legal_holds WHERE released_at IS NULL',
  );
  if (count > 0) throw heldTenant(count);
}

export const heldTenant = (count: number): Refusal =>
  new Refusal(
    'conflict',
    `Legal holds (${count}) keep what this tenant has from being deleted; its owner has to release them first.`,
  );

export const activeHolds = (tenantId: string): Statement => ({
  text: `SELECT count(*)::int AS count FROM ${schemaOf(tenantId)}.legal_holds WHERE released_at IS NULL`,
  values: [],
});

/** As a condition on a row; `subjects` are expressions for whose it is. Without one, any hold on the class counts. */
export function unheld(kind: DataClass, subjects: string[]): string {
  const whose = subjects.length > 0 ? `h.subject_id IN (${subjects.join(', ')})` : 'true';
  return `NOT EXISTS (
    SELECT FROM legal_holds h WHERE h.released_at IS NULL AND (h.class IS NULL OR h.class = '${kind}')
      AND (h.subject_id IS NULL OR ${whose}))`;
}

const columns = `id, class, subject_id, reason, created_by, created_at, released_at, released_by, release_reason`;

export function holdById(tenantId: string, id: string): Statement {
  return { text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.legal_holds WHERE id = $1`, values: [id] };
}

type Listed = { active: boolean | undefined; after: string | undefined; limit: number };

export function holdList(tenantId: string, { active, after, limit }: Listed): Statement {
  return {
    text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.legal_holds
           WHERE ($1::boolean IS NULL OR (released_at IS NULL) = $1) AND ($2::text IS NULL OR id < $2)
           ORDER BY id DESC LIMIT $3`,
    values: [active === undefined ? null : String(active), after ?? null, limit],
  };
}

type Making = { class: DataClass | null; subjectId: string | null; reason: string; by: object };

export async function makeHold(sql: Sql, { class: kind, subjectId, reason, by }: Making): Promise<Row> {
  const [made = {}] = await sql<Row>(
    `INSERT INTO legal_holds (id, class, subject_id, reason, created_by) VALUES ($1, $2, $3, $4, $5::jsonb)
     RETURNING ${columns}`,
    [newId('hld'), kind, subjectId, reason, JSON.stringify(by)],
  );
  return made;
}

/** A hold that was released stays, with who released it and why. */
export async function releaseHold(
  sql: Sql,
  id: string,
  { reason, by }: Pick<Making, 'reason' | 'by'>,
): Promise<Row> {
  const [released] = await sql<Row>(
    `UPDATE legal_holds SET released_at = now(), released_by = $2::jsonb, release_reason = $3
     WHERE id = $1 AND released_at IS NULL RETURNING ${columns}`,
    [id, JSON.stringify(by), reason],
  );
  if (!released) throw new Refusal('conflict', 'This hold has been released already.');
  return released;
}
