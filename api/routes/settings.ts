import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { platformDocument } from '../../models/system/platform-settings.ts';
import { insistOnAgent, newestVersion } from '../../models/tenant/setting-book.ts';
import { changeSettings } from '../../models/tenant/setting-change.ts';
import { ownSources, sourcesStatement } from '../../models/tenant/settings.ts';
import type { Sources } from '../../policies/setting-inheritance.ts';
import { settingKeys, settingValue } from '../../policies/settings.ts';
import { pointerTo } from '../body.ts';
import { requireVersion } from '../route.ts';
import {
  changeAnswer,
  changeQuery,
  changesBody,
  document,
  etagOf,
  ofAgent,
  presentSetting,
  reason,
  setting,
  settingChange,
  settingKey,
} from '../settings.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Settings';
const params = z.strictObject({ key: settingKey });
const permit = ['update', 'Setting'] as const;
const changed = { 200: settingChange };

export const listSettings = tenantRead({
  method: 'get',
  path: '/settings',
  tag,
  summary: 'What is set here; with ?effective=true everything that holds, and who says so',
  permit: ['read', 'Setting'],
  query: z.strictObject({ ...ofAgent, effective: z.stringbool().default(false) }),
  answers: { 200: z.object({ items: z.array(setting), version: z.int() }).meta({ id: 'SettingList' }) },
  load: ({ tenantId, query }) => sourcesStatement(tenantId, query.agent),
  handle: async ({ rows, row, query, place }) => {
    await insistOnAgentAt(place, query.agent);
    const sources = await sourcesOf(rows, place);
    const level = query.agent ? 'agent' : 'tenant';
    const keys = settingKeys.filter((key) => query.effective || sources[level][key] !== undefined);
    const items = keys.map((key) => presentSetting(key, sources, level));
    return { status: 200, body: { items, version: row.newest }, headers: etagOf(row) };
  },
});

export const readSetting = tenantRead({
  method: 'get',
  path: '/settings/:key',
  tag,
  summary: 'What holds for one key, and who says so',
  permit: ['read', 'Setting'],
  params,
  query: z.strictObject(ofAgent),
  answers: { 200: setting },
  load: ({ tenantId, query }) => sourcesStatement(tenantId, query.agent),
  handle: async ({ rows, row, query, place, params: { key } }) => {
    await insistOnAgentAt(place, query.agent);
    const body = presentSetting(key, await sourcesOf(rows, place), query.agent ? 'agent' : 'tenant');
    return { status: 200, body, headers: etagOf(row) };
  },
});

const write = { tag, permit, inTurn: true, query: changeQuery, answers: changed } as const;

export const replaceSettings = tenantWrite({
  ...write,
  method: 'put',
  path: '/settings',
  summary: 'Say all that this level says; what is not named is inherited again',
  body: z.strictObject({ settings: document, reason }),
  handle: async ({ tenant: { sql }, place, principal, body, query, ...call }) => {
    requireVersion(call, await newestVersion(sql));
    const changes = await changeSettings(sql, place, {
      agentId: query.agent,
      next: () => body.settings,
      pointer: (path) => pointerTo(['settings', ...path]),
      author: principal,
      reason: body.reason,
      cause: 'change',
    });
    return changeAnswer(changes, { ...query, reason: body.reason });
  },
});

export const patchSettings = tenantWrite({
  ...write,
  method: 'patch',
  path: '/settings',
  summary: 'Set several keys at once, and have others inherited again; all or nothing',
  body: changesBody,
  handle: async ({ tenant: { sql }, place, principal, body, query, ...call }) => {
    requireVersion(call, await newestVersion(sql));
    const changes = await changeSettings(sql, place, {
      agentId: query.agent,
      next: (own) => patched(own, body),
      pointer: (path) => pointerTo(['set', ...path]),
      author: principal,
      reason: body.reason,
      cause: 'change',
    });
    return changeAnswer(changes, { ...query, reason: body.reason });
  },
});

const one = {
  ...write,
  path: '/settings/:key',
  params,
  load: ({ tenantId, query }: { tenantId: string; query: { agent?: string | undefined } }) =>
    sourcesStatement(tenantId, query.agent),
} as const;

export const putSetting = tenantWrite({
  ...one,
  method: 'put',
  summary: 'Set one key',
  body: z.strictObject({ value: settingValue, reason }),
  handle: async ({ tenant: { sql }, place, principal, body, query, params: { key }, ...call }) => {
    requireVersion(call, await newestVersion(sql));
    const changes = await changeSettings(sql, place, {
      agentId: query.agent,
      next: (own) => ({ ...own, [key]: body.value }),
      pointer: ([at, ...path]) => pointerTo(at === key ? ['value', ...path] : ['value']),
      author: principal,
      reason: body.reason,
      cause: 'change',
    });
    return changeAnswer(changes, { ...query, reason: body.reason });
  },
});

export const unsetSetting = tenantWrite({
  ...one,
  method: 'delete',
  summary: 'Have one key inherited again',
  body: z.strictObject({ reason }),
  handle: async ({ tenant: { sql }, place, principal, body, query, params: { key }, ...call }) => {
    requireVersion(call, await newestVersion(sql));
    const changes = await changeSettings(sql, place, {
      agentId: query.agent,
      next: (own) => patched(own, { set: {}, unset: [key] }),
      pointer: () => '/reason',
      author: principal,
      reason: body.reason,
      cause: 'change',
    });
    return changeAnswer(changes, { ...query, reason: body.reason });
  },
});

export function patched(
  own: object,
  { set, unset }: { set: object; unset: string[] },
): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...own, ...set }).filter(([key]) => !unset.includes(key)));
}

async function insistOnAgentAt(place: Place, agentId: string | undefined): Promise<void> {
  if (agentId !== undefined) await inTenant(place, ({ sql }) => insistOnAgent(sql, agentId));
}

async function sourcesOf(rows: Row[], place: Place): Promise<Sources> {
  const [own, platform] = await Promise.all([ownSources(rows, () => keyringOf(place)), platformDocument()]);
  return { ...own, platform };
}
