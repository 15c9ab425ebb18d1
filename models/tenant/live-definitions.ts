import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { openVersion, type Versioned } from './definition.ts';

export type Named = { id: string; name: string };

const batchRows = 200;

/**
 * The agents or workflows whose live version says something. Definitions are sealed, so each is opened, some at a
 * time: asked only when something is about to be removed, which is seldom.
 */
export async function liveThat(
  sql: Sql,
  keyring: Keyring,
  kind: Versioned,
  says: (definition: unknown) => boolean,
): Promise<Named[]> {
  const found: Named[] = [];
  for (let after = ''; ; ) {
    const batch = await sql<Named & { version: number; sealed: Buffer }>(
      `SELECT t.id, t.name, v.version, v.sealed_definition AS sealed FROM ${kind.table} t
       JOIN ${kind.versions} v ON v.${kind.key} = t.id AND v.version = t.live_version
       WHERE t.id > $1 ORDER BY t.id LIMIT ${batchRows}`,
      [after],
    );
    for (const { id, name, version, sealed } of batch)
      if (says(openVersion(kind, keyring, { id, version }, sealed))) found.push({ id, name });
    const last = batch.at(-1);
    if (!last || batch.length < batchRows) return found;
    after = last.id;
  }
}
