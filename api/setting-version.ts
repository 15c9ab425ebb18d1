import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import type { Keyring } from '../models/keyring.ts';
import { documentOf } from '../models/tenant/settings.ts';
import { packNames } from '../policies/compliance-packs.ts';
import { declarationOf, type SettingDocument, settingKeys } from '../policies/settings.ts';
import { iso } from './present.ts';
import { moment } from './shapes.ts';

/** Versions of the settings book as the API shows them. */
export const versionNumber = z
  .string()
  .regex(/^[1-9]\d{0,8}$/, 'must be the number of a version')
  .transform(Number);

const author = z.object({ kind: z.string(), id: z.string() });

export const versionShape = z
  .object({
    id: z
      .int()
      .meta({ description: 'Its number; of all levels of the organisation together, one after the other.' }),
    agentId: z.string().nullable(),
    settings: z.record(z.string(), z.json().nullable()),
    packs: z.array(z.enum(packNames)),
    author,
    reason: z.string(),
    cause: z.enum(['start', 'change', 'rollback', 'schedule', 'pack']),
    at: moment,
  })
  .meta({ id: 'SettingVersion' });

const said = z.object({ set: z.boolean(), value: z.json().nullable() });

export const appliedShape = {
  changes: z.array(z.object({ key: z.enum(settingKeys), before: said, after: said })),
  appliedEverywhere: z
    .boolean()
    .meta({ description: 'Whether no process serves anything older to an act that begins now.' }),
  lagging: z.array(z.object({ id: z.string(), startedAt: moment, renewedAt: moment })).meta({
    description:
      'Processes that may still serve an older version; one that stays silent serves none after 6 s.',
  }),
};

export function presentVersion(row: Row) {
  const { kind, id } = row.author as { kind: string; id: string }; // written from a Principal
  return {
    id: Number(row.number),
    agentId: row.agent_id ?? null,
    settings: row.document,
    packs: row.packs ?? [],
    author: { kind, id },
    reason: row.reason,
    cause: row.cause,
    at: iso(row.at),
  };
}

/** What the level says differently from the version before it. Of what is sensitive, that it changed. */
export async function versionChanges([row, former]: Row[], keyring: () => Promise<Keyring>) {
  const [after, before] = [await documentOf(row, keyring), await documentOf(former, keyring)];
  return settingKeys
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
    .map((key) => ({ key, before: saidOf(key, before), after: saidOf(key, after) }));
}

const saidOf = (key: keyof SettingDocument, document: SettingDocument) => ({
  set: document[key] !== undefined,
  value: declarationOf(key).sensitive ? null : (document[key] ?? null),
});
