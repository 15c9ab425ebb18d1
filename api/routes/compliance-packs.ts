import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import type { Place, Sql } from '../../models/scope.ts';
import { newestVersion } from '../../models/tenant/setting-book.ts';
import { changeSettings } from '../../models/tenant/setting-change.ts';
import { sourcesStatement } from '../../models/tenant/settings.ts';
import { conflictsBetween, type PackName, packNames, packs } from '../../policies/compliance-packs.ts';
import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import { inWords } from '../../policies/setting-bounds.ts';
import { settingKeys } from '../../policies/settings.ts';
import { pointerTo } from '../body.ts';
import { type Answer, requireVersion } from '../route.ts';
import { changeAnswer, etagOf, reason, settingChange } from '../settings.ts';
import { dryRun } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Compliance';
const packName = z
  .string()
  .refine((text): text is PackName => packNames.some((name) => name === text), 'is no pack');
const params = z.strictObject({ pack: packName });
const query = z.strictObject({ dryRun });

const conflict = z.object({
  key: z.enum(settingKeys),
  packs: z.array(z.enum(packNames)),
  bounds: z.array(z.string()),
});

const shown = z
  .object({
    name: z.enum(packNames),
    title: z.string(),
    applied: z.boolean(),
    rules: z.array(z.object({ key: z.enum(settingKeys), bound: z.string(), why: z.string() })),
    conflicts: z
      .array(conflict)
      .meta({ description: 'With packs that are applied: no value could be within both.' }),
  })
  .meta({ id: 'CompliancePack' });

/** With what applying it would change, and what stands against that. */
const change = settingChange.extend({ conflicts: z.array(conflict) }).meta({ id: 'PackChange' });

const conflictsOf = (applied: readonly PackName[]) =>
  conflictsBetween(applied).map(({ bounds, ...found }) => ({ ...found, bounds: bounds.map(inWords) }));

function appliedIn(rows: Row[]): PackName[] {
  const named = rows.find((row) => row.number !== null && row.agent_id === null)?.packs;
  return packNames.filter((name) => Array.isArray(named) && named.includes(name));
}

export const listPacks = tenantRead({
  method: 'get',
  path: '/compliance-packs',
  tag,
  summary: 'Policy packs: what each asks of the settings, and whether it is applied',
  permit: ['read', 'Setting'],
  answers: { 200: z.object({ items: z.array(shown) }) },
  load: ({ tenantId }) => sourcesStatement(tenantId, undefined),
  handle: ({ rows, row }) => {
    const applied = appliedIn(rows);
    const items = packNames.map((name) => ({
      name,
      title: packs[name].title,
      applied: applied.includes(name),
      rules: packs[name].rules.map(({ key, bound, why }) => ({ key, bound: inWords(bound), why })),
      conflicts: conflictsOf([...new Set([...applied, name])]).filter((each) => each.packs.includes(name)),
    }));
    return { status: 200, body: { items }, headers: etagOf(row) };
  },
});

const write = {
  path: '/compliance-packs/:pack',
  tag,
  permit: ['update', 'Setting'],
  inTurn: true,
  params,
} as const;

export const applyPack = tenantWrite({
  ...write,
  method: 'put',
  summary:
    'Hold the settings to a pack from now on; with ?dryRun=true, see what that changes and what stands against it',
  query,
  body: z.strictObject({ reason }),
  answers: { 200: change },
  load: ({ tenantId }) => sourcesStatement(tenantId, undefined),
  handle: async ({
    tenant: { sql },
    place,
    principal,
    rows,
    params: { pack },
    body,
    query: asked,
    ...call
  }) => {
    const after = packNames.filter((name) => name === pack || appliedIn(rows).includes(name));
    const conflicts = conflictsOf(after);
    if (conflicts.length > 0 && !asked.dryRun)
      throw new Refusal(
        'conflict',
        'No settings could be within these packs together; each conflict is listed.',
        {
          extra: { conflicts },
        },
      );
    const by = { principal, reason: body.reason, ifMatch: call.ifMatch };
    const answer = await changedPacks(sql, place, () => after, { ...by, ...asked });
    return { ...answer, body: { ...Object(answer.body), conflicts } };
  },
});

export const removePack = tenantWrite({
  ...write,
  method: 'delete',
  summary: 'Hold the settings to a pack no longer; what was set before holds again',
  query,
  body: z.strictObject({ reason }),
  answers: { 200: settingChange },
  load: ({ tenantId }) => sourcesStatement(tenantId, undefined),
  handle: ({ tenant: { sql }, place, principal, params: { pack }, body, query: asked, ifMatch }) =>
    changedPacks(sql, place, (applied) => applied.filter((name) => name !== pack), {
      principal,
      ifMatch,
      ...body,
      ...asked,
    }),
});

type By = { principal: Principal; reason: string; ifMatch: number | undefined; dryRun: boolean };

async function changedPacks(
  sql: Sql,
  place: Place,
  next: (applied: readonly PackName[]) => readonly PackName[],
  { principal, reason: why, ifMatch, dryRun: dry }: By,
): Promise<Answer> {
  requireVersion({ ifMatch }, await newestVersion(sql));
  const changes = await changeSettings(sql, place, {
    next: (own) => own,
    packs: next,
    pointer: (path) => pointerTo(path),
    author: principal,
    reason: why,
    cause: 'pack',
  });
  return changeAnswer(changes, { dryRun: dry, reason: why });
}
