import { z } from 'zod';
import { appliedOnPlatform } from '../../models/applied.ts';
import type { SystemScope } from '../../models/scope.ts';
import {
  addPlatformVersion,
  newestPlatformVersion,
  platformSources,
  platformVersionList,
  platformVersionPair,
  takePlatformTurn,
} from '../../models/system/platform-settings.ts';
import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import { differences } from '../../policies/setting-difference.ts';
import { judged, saySame } from '../../policies/setting-faults.ts';
import { asDocument } from '../../policies/setting-inheritance.ts';
import { settingKeys } from '../../policies/settings.ts';
import { pointerTo } from '../body.ts';
import { platformRead, platformWrite } from '../platform-route.ts';
import { etag, presentPage } from '../present.ts';
import { requireVersion } from '../route.ts';
import {
  appliedShape,
  presentVersion,
  versionChanges,
  versionNumber,
  versionShape,
} from '../setting-version.ts';
import { changeAnswer, changesBody, presentSetting, reason, setting, settingChange } from '../settings.ts';
import { dryRun, page, pagingBy } from '../shapes.ts';
import { patched } from './settings.ts';

const tag = 'Platform';
const params = z.strictObject({ number: versionNumber });
const read = { method: 'get', tag, permit: ['read', 'Platform'] } as const;

export const listPlatformSettings = platformRead({
  ...read,
  path: '/platform/settings',
  summary: 'What holds for every organisation that has not said otherwise',
  answers: { 200: z.object({ items: z.array(setting), version: z.int() }) },
  load: () => newestPlatformVersion,
  handle: ({ row }) => {
    const sources = platformSources(asDocument(row.document));
    const items = settingKeys.map((key) => presentSetting(key, sources, 'platform'));
    const version = Number(row.number ?? 0);
    return { status: 200, body: { items, version }, headers: etag(version) };
  },
});

export const listPlatformVersions = platformRead({
  ...read,
  path: '/platform/settings/versions',
  summary: 'Versions of the platform’s settings, newest first',
  query: z.strictObject(pagingBy('number')),
  answers: { 200: page(versionShape) },
  load: ({ query }) => platformVersionList(query.cursor, query.limit + 1),
  handle: ({ rows, query }) => ({ status: 200, body: presentPage(rows, query.limit, presentVersion) }),
});

export const readPlatformVersion = platformRead({
  ...read,
  path: '/platform/settings/versions/:number',
  summary: 'One such version, what it changed, and whether every process serves it',
  params,
  answers: { 200: versionShape.extend(appliedShape) },
  load: ({ params: { number } }) => platformVersionPair(number),
  handle: async ({ row, rows }) => ({
    status: 200,
    body: {
      ...presentVersion(row),
      changes: await versionChanges(rows, () => Promise.reject(new Error('bug: the platform seals nothing'))),
      ...(await appliedOnPlatform(String(row.transaction))),
    },
  }),
});

const write = {
  tag,
  permit: ['configure', 'Platform'],
  query: z.strictObject({ dryRun }),
  answers: { 200: settingChange },
} as const;

export const patchPlatformSettings = platformWrite({
  ...write,
  method: 'patch',
  path: '/platform/settings',
  summary: 'Change what holds for every organisation that has not said otherwise; all or nothing',
  body: changesBody,
  handle: async ({ system, body, query, principal, ...call }) => {
    const next = (own: object) => patched(own, body);
    const asked = { next, principal, reason: body.reason, at: 'set', cause: 'change' as const };
    return changeAnswer(await changed(system, call, asked), { ...query, reason: body.reason });
  },
});

export const rollBackPlatform = platformWrite({
  ...write,
  method: 'post',
  path: '/platform/settings/versions/:number/rollback',
  summary: 'Say again what a version said, as a new version',
  params,
  body: z.strictObject({ reason }),
  load: ({ params: { number } }) => platformVersionPair(number),
  handle: async ({ system, row, body, query, principal, ...call }) => {
    const then = asDocument(row.document);
    const asked = {
      next: () => then,
      principal,
      reason: body.reason,
      at: 'settings',
      cause: 'rollback' as const,
    };
    return changeAnswer(await changed(system, call, asked), { ...query, reason: body.reason });
  },
});

type Asked = {
  next: (own: object) => Record<string, unknown>;
  principal: Principal;
  reason: string;
  at: string;
  cause: 'change' | 'rollback';
};

async function changed({ sql }: SystemScope, call: { ifMatch: number | undefined }, asked: Asked) {
  const { number, document: own } = await takePlatformTurn(sql);
  requireVersion(call, number);
  const { document, faults } = judged('platform', asked.next(own), platformSources(own));
  if (faults.length > 0) {
    const errors = faults.map(({ path, ...fault }) => ({
      pointer: pointerTo([asked.at, ...path]),
      ...fault,
    }));
    throw new Refusal('invalid-request', 'These settings cannot hold; each fault is listed.', { errors });
  }
  const changes = differences(platformSources(own), platformSources(document));
  if (saySame(own, document)) return { version: number, changes: [], same: true };
  const { principal: author, reason, cause } = asked;
  await addPlatformVersion(sql, number + 1, { document, author, reason, cause });
  return { version: number + 1, changes, same: false };
}
