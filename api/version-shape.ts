import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import type { Keyring } from '../models/keyring.ts';
import type { Versioned } from '../models/tenant/definition.ts';
import { openNote } from '../models/tenant/publishing.ts';
import { iso } from './present.ts';
import { line, moment } from './shapes.ts';

/** Versions of agents and workflows as they are asked for and shown. */
export const versionNumber = z.coerce.number().int().min(1).max(2_147_483_647);
export const publishBody = z.strictObject({
  note: z
    .string()
    .max(2_000, 'must have at most 2000 characters')
    .default('')
    .meta({ description: 'What has changed, for whoever reads the list.' }),
});
export const liveBody = z.strictObject({ version: z.int().min(1).max(2_147_483_647), reason: line(500) });

export const version = z
  .object({
    version: z.int(),
    live: z.boolean(),
    note: z.string(),
    publishedBy: z.string(),
    publishedAt: moment,
  })
  .meta({ id: 'Version' });

/** A place in the definition that another version has differently. */
export const difference = z.object({
  pointer: z.string(),
  before: z.json().optional(),
  after: z.json().optional(),
});

/** One row more than are shown says whether there is another page; its cursor is the number of the last one shown. */
export function versionsPage(kind: Versioned, keyring: Keyring, id: string, rows: Row[], limit: number) {
  const items = rows.slice(0, limit).map((row) => presentVersion(kind, keyring, id, row));
  return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.version) : null };
}

function presentVersion(kind: Versioned, keyring: Keyring, id: string, row: Row) {
  const number = Number(row.version);
  return {
    version: number,
    live: number === row.live_version,
    note: openNote(kind, keyring, id, number, row.sealed_note as Buffer),
    publishedBy: row.published_by,
    publishedAt: iso(row.published_at),
  };
}
