import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import type { Changed } from '../models/tenant/setting-change.ts';
import { boundsOf, packNames } from '../policies/compliance-packs.ts';
import { levels } from '../policies/setting.ts';
import { inWords } from '../policies/setting-bounds.ts';
import { told } from '../policies/setting-difference.ts';
import { effective, type Sources } from '../policies/setting-inheritance.ts';
import {
  declarationOf,
  isSettingKey,
  type SettingKey,
  settingKeys,
  settingValue,
} from '../policies/settings.ts';
import { etag } from './present.ts';
import type { Answer } from './route.ts';
import { dryRun, id, line } from './shapes.ts';

/** The settings book as the API shows it, and the shapes in which it is changed. */
const origins = [
  'default',
  'platform',
  'plan',
  'tenant',
  'agent',
  ...packNames.map((name) => `pack:${name}` as const),
] as const;
const toldValue = z.object({ value: z.json().nullable(), origin: z.enum(origins) });

export const settingKey = z.string().refine(isSettingKey, 'is no setting');
export const reason = line(500).meta({ description: 'Why; kept with the version.' });
export const ofAgent = {
  agent: id('agt').optional().meta({ description: 'The agent’s own level instead of the organisation’s.' }),
};
export const changeQuery = z.strictObject({ ...ofAgent, dryRun });
export const document = z
  .record(z.string().max(100), settingValue)
  .meta({ description: 'Keys and their values.' });
export const changesBody = z.strictObject({
  set: document.default({}),
  unset: z
    .array(z.string().max(100))
    .max(100)
    .default([])
    .meta({ description: 'Keys to be inherited again.' }),
  reason,
});

export const setting = z
  .object({
    key: z.enum(settingKeys),
    value: z.json().nullable(),
    origin: z.enum(origins),
    set: z.boolean().meta({ description: 'Whether this level says something itself.' }),
    sensitive: z.boolean().meta({ description: 'Then it is never shown: value is null.' }),
    levels: z.array(z.enum(levels)),
    bounds: z.array(z.object({ pack: z.enum(packNames), bound: z.string(), why: z.string() })),
    about: z.string(),
  })
  .meta({ id: 'Setting' });

export const settingChange = z
  .object({
    version: z.int(),
    changes: z.array(z.object({ key: z.enum(settingKeys), before: toldValue, after: toldValue })),
  })
  .meta({ id: 'SettingChange', description: 'What holds differently from this version on.' });

export function presentSetting(key: SettingKey, sources: Sources, level: 'tenant' | 'agent' | 'platform') {
  const { sensitive = false, levels: at, about } = declarationOf(key);
  return {
    key,
    ...told(key, effective(key, sources)),
    set: sources[level][key] !== undefined,
    sensitive,
    levels: [...at],
    bounds: boundsOf(sources.packs)
      .filter((each) => each.key === key)
      .map(({ pack, bound, why }) => ({ pack, bound: inWords(bound), why })),
    about,
  };
}

export const etagOf = (row: Row): Record<string, string> => etag(row.newest);

/** A dry run shows the version it would become, and is taken back. */
export function changeAnswer(
  { version, changes, same }: Changed,
  asked: { dryRun: boolean; reason: string; agent?: string | undefined },
): Answer {
  const headers = etag(version);
  return {
    status: 200,
    body: { version, changes },
    headers: asked.dryRun ? {} : headers,
    unchanged: asked.dryRun || same,
    audit: {
      id: String(version),
      reason: asked.reason,
      details: { version, changes, ...(asked.agent && { agentId: asked.agent }) },
    },
  };
}
