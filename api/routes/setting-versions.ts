import { z } from 'zod';
import { appliedInCell } from '../../models/applied.ts';
import type { Row } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { newestVersion, versionList, versionPair } from '../../models/tenant/setting-book.ts';
import { changeSettings } from '../../models/tenant/setting-change.ts';
import { documentOf } from '../../models/tenant/settings.ts';
import { pointerTo } from '../body.ts';
import { presentPage } from '../present.ts';
import { requireVersion } from '../route.ts';
import {
  appliedShape,
  presentVersion,
  versionChanges,
  versionNumber,
  versionShape,
} from '../setting-version.ts';
import { changeAnswer, ofAgent, reason, settingChange, settingKey } from '../settings.ts';
import { dryRun, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Settings';
const params = z.strictObject({ number: versionNumber });
const permit = ['read', 'Setting'] as const;
const list = { method: 'get', tag, permit, answers: { 200: page(versionShape) } } as const;
const paging = pagingBy('number');

export const listVersions = tenantRead({
  ...list,
  path: '/settings/versions',
  summary: 'Versions of the settings, newest first: who changed them, when and why',
  query: z.strictObject({ ...paging, ...ofAgent }),
  load: ({ tenantId, query }) =>
    versionList(tenantId, { agentId: query.agent, after: query.cursor, limit: query.limit + 1 }),
  handle: ({ rows, query }) => ({ status: 200, body: versionPage(rows, query.limit) }),
});

export const listVersionsOfKey = tenantRead({
  ...list,
  path: '/settings/:key/versions',
  summary: 'Versions that changed one key, newest first; of a sensitive one, that there is none to be told',
  params: z.strictObject({ key: settingKey }),
  query: z.strictObject(paging),
  load: ({ tenantId, query, params: { key } }) =>
    versionList(tenantId, { key, after: query.cursor, limit: query.limit + 1 }),
  handle: ({ rows, query }) => ({ status: 200, body: versionPage(rows, query.limit) }),
});

export const readVersion = tenantRead({
  method: 'get',
  path: '/settings/versions/:number',
  tag,
  summary: 'One version: what its level says since, what it changed, and whether every process serves it',
  permit,
  params,
  answers: { 200: versionShape.extend(appliedShape).meta({ id: 'SettingVersionWhole' }) },
  load: ({ tenantId, params: { number } }) => versionPair(tenantId, number),
  handle: async ({ row, rows, place }) => ({
    status: 200,
    body: {
      ...presentVersion(row),
      changes: await versionChanges(rows, () => keyringOf(place)),
      ...(await appliedInCell(place.cell, String(row.transaction))),
    },
  }),
});

export const rollBack = tenantWrite({
  method: 'post',
  path: '/settings/versions/:number/rollback',
  tag,
  summary: 'Say again what a version said, as a new version; judged by what holds now',
  permit: ['update', 'Setting'],
  inTurn: true,
  params,
  query: z.strictObject({ dryRun }),
  body: z.strictObject({ reason }),
  answers: { 200: settingChange },
  load: ({ tenantId, params: { number } }) => versionPair(tenantId, number),
  handle: async ({ tenant: { sql }, place, principal, row, body, query, ...call }) => {
    requireVersion(call, await newestVersion(sql));
    const then = await documentOf(row, () => keyringOf(place));
    const agent = row.agent_id === null ? undefined : String(row.agent_id);
    const changes = await changeSettings(sql, place, {
      agentId: agent,
      next: () => then,
      pointer: (path) => pointerTo(['settings', ...path]),
      author: principal,
      reason: body.reason,
      cause: 'rollback',
    });
    return changeAnswer(changes, { ...query, reason: body.reason, agent });
  },
});

const versionPage = (rows: Row[], limit: number) =>
  presentPage(
    rows.filter((row) => row.number !== null),
    limit,
    presentVersion,
  );
