import { Refusal } from '../../policies/refusal.ts';
import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { noteColumn, notThere, sealVersion, type Versioned, versionRow } from './definition.ts';

/** Versions of agents and workflows: made once, never changed, one of them live. The row of the thing itself is locked. */
export type Published = { version: number; rowVersion: number };

export async function publish(
  sql: Sql,
  kind: Versioned,
  keyring: Keyring,
  given: { id: string; definition: object; note: string; by: string },
): Promise<Published> {
  const { id } = given;
  const [row] = await sql<{ version: number; rowVersion: number }>(
    `UPDATE ${kind.table} SET latest_version = latest_version + 1, version = version + 1, updated_at = now()
     WHERE id = $1 RETURNING latest_version AS version, version AS "rowVersion"`,
    [id],
  );
  if (!row) throw notThere(kind, id, 'draft');
  const { version } = row;
  await sql(
    `INSERT INTO ${kind.versions} (${kind.key}, version, sealed_definition, sealed_note, published_by) VALUES ($1, $2, $3, $4, $5)`,
    [
      id,
      version,
      sealVersion(kind, keyring, { id, version }, given.definition),
      keyring.seal(noteColumn(kind), versionRow(id, version), given.note),
      given.by,
    ],
  );
  await sql(`UPDATE ${kind.table} SET live_version = $2 WHERE id = $1`, [id, version]);
  return row;
}

/** Back to an older version, or forth again. */
export async function makeLive(sql: Sql, kind: Versioned, id: string, version: number): Promise<number> {
  const [there] = await sql(`SELECT version FROM ${kind.versions} WHERE ${kind.key} = $1 AND version = $2`, [
    id,
    version,
  ]);
  if (!there)
    throw new Refusal(
      'unprocessable',
      `There is no version ${version}; GET …/versions lists those there are.`,
      {
        errors: [{ pointer: '/version', code: 'unknown', detail: `There is no version ${version}.` }],
      },
    );
  const [row] = await sql<{ version: number }>(
    `UPDATE ${kind.table} SET live_version = $2, version = version + 1, updated_at = now() WHERE id = $1 RETURNING version`,
    [id, version],
  );
  return row?.version ?? 0;
}

export function versionList(
  tenantId: string,
  kind: Versioned,
  id: string,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  return {
    text: `SELECT v.version AS id, v.version, v.sealed_note, v.published_by, v.published_at, t.live_version
      FROM ${schemaOf(tenantId)}.${kind.versions} v JOIN ${schemaOf(tenantId)}.${kind.table} t ON t.id = v.${kind.key}
      WHERE v.${kind.key} = $1 AND v.version < $2::bigint ORDER BY v.version DESC LIMIT $3`,
    values: [id, cursor ?? 2_147_483_647, limit],
  };
}

export const openNote = (
  kind: Versioned,
  keyring: Keyring,
  id: string,
  version: number,
  sealed: Buffer,
): string => keyring.open(noteColumn(kind), versionRow(id, version), sealed);
