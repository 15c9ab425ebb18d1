import { z } from 'zod';
import { forUpdate, type Row } from '../../models/batch.ts';
import { newId } from '../../models/ids.ts';
import { keyringOf } from '../../models/keyring.ts';
import { callOff, schedule, scheduledById, scheduledList } from '../../models/tenant/scheduled-settings.ts';
import { changeSettings } from '../../models/tenant/setting-change.ts';
import { Refusal } from '../../policies/refusal.ts';
import { pointerTo } from '../body.ts';
import { beginErrands, endErrands } from '../errands.ts';
import { iso, presentPage } from '../present.ts';
import { changesBody, ofAgent, settingChange } from '../settings.ts';
import { dryRun, id, moment, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';
import { patched } from './settings.ts';

const tag = 'Settings';
const params = z.strictObject({ changeId: id('chg') });
const daysAheadMax = 366;

const scheduled = z
  .object({
    id: id('chg'),
    operationId: id('op'),
    agentId: z.string().nullable(),
    set: z.record(z.string(), z.json().nullable()).meta({ description: 'Without what is sensitive.' }),
    unset: z.array(z.string()),
    reason: z.string(),
    author: z.object({ kind: z.string(), id: z.string() }),
    at: moment,
    state: z.enum(['waiting', 'applied', 'refused', 'called-off']),
    outcome: z.string().nullable().meta({ description: 'Why it did not come into force.' }),
    version: z.int().nullable(),
    createdAt: moment,
    endedAt: moment.nullable(),
  })
  .meta({ id: 'ScheduledSettings' });

function present(row: Row) {
  const { set, unset } = row.changes as { set: object; unset: string[] }; // written by models/tenant/scheduled-settings.ts
  const { kind, id: by } = row.author as { kind: string; id: string };
  return {
    id: row.id,
    operationId: row.operation_id,
    agentId: row.agent_id ?? null,
    set,
    unset,
    reason: row.reason,
    author: { kind, id: by },
    at: iso(row.due_at),
    state: row.state,
    outcome: row.outcome ?? null,
    version: row.version ?? null,
    createdAt: iso(row.created_at),
    endedAt: iso(row.ended_at),
  };
}

export const listScheduled = tenantRead({
  method: 'get',
  path: '/settings/scheduled-changes',
  tag,
  summary: 'Changes that were given a time, newest first, with what became of them',
  permit: ['read', 'Setting'],
  query: z.strictObject(pagingBy('chg')),
  answers: { 200: page(scheduled) },
  load: ({ tenantId, query }) => scheduledList(tenantId, query.cursor, query.limit + 1),
  handle: ({ rows, query }) => ({ status: 200, body: presentPage(rows, query.limit, present) }),
});

export const readScheduled = tenantRead({
  method: 'get',
  path: '/settings/scheduled-changes/:changeId',
  tag,
  summary: 'One such change',
  permit: ['read', 'Setting'],
  params,
  answers: { 200: scheduled },
  load: ({ tenantId, params: { changeId } }) => scheduledById(tenantId, changeId),
  handle: ({ row }) => ({ status: 200, body: present(row) }),
});

export const scheduleSettings = tenantWrite({
  method: 'post',
  path: '/settings/scheduled-changes',
  tag,
  summary: 'Change settings at a time: judged now, and again by what holds then',
  permit: ['update', 'Setting'],
  inTurn: true,
  query: z.strictObject({ ...ofAgent, dryRun }),
  body: changesBody.extend({ at: moment }),
  answers: { 200: settingChange, 202: scheduled },
  handle: async ({ tenant, tenantId, place, principal, body, query, requestId }) => {
    insistOnFuture(body.at);
    const asked = { agentId: query.agent, author: principal, reason: body.reason };
    // Judged as if it were to hold now; with a dry run that is all.
    await tenant.sql('SAVEPOINT judged');
    const { version, changes } = await changeSettings(tenant.sql, place, {
      ...asked,
      next: (own) => patched(own, body),
      pointer: (path) => pointerTo(['set', ...path]),
      cause: 'schedule',
    });
    if (query.dryRun) return { status: 200, body: { version, changes }, unchanged: true };
    await tenant.sql('ROLLBACK TO SAVEPOINT judged');
    const operationId = newId('op');
    const row = await schedule(tenant.sql, () => keyringOf(place), {
      ...asked,
      set: body.set,
      unset: body.unset,
      dueAt: body.at,
      operationId,
    });
    const subjectId = String(row.id);
    const errand = { tenantId, kind: 'change-settings' as const, principal, requestId };
    const afterCommit = await beginErrands(tenant, errand, [{ operationId, subjectId }]);
    return {
      status: 202,
      body: present(row),
      headers: { Location: `/v1/settings/scheduled-changes/${subjectId}` },
      afterCommit,
      audit: { id: subjectId, operationId, reason: body.reason, details: { at: body.at } },
    };
  },
});

export const callOffScheduled = tenantWrite({
  method: 'delete',
  path: '/settings/scheduled-changes/:changeId',
  tag,
  summary: 'Call a change off that waits for its time',
  permit: ['update', 'Setting'],
  inTurn: true,
  params,
  answers: { 200: scheduled },
  load: ({ tenantId, params: { changeId } }) => forUpdate(scheduledById(tenantId, changeId)),
  handle: async ({ tenant: { sql }, tenantId, row }) => {
    const ended = await callOff(sql, String(row.id));
    const operationIds = [String(row.operation_id)];
    return {
      status: 200,
      body: present(ended),
      afterCommit: () => endErrands({ tenantId, kind: 'change-settings', operationIds }),
      audit: { id: String(row.id), done: ['call off', 'Setting'] as const },
    };
  },
});

function insistOnFuture(at: string): void {
  const ahead = Date.parse(at) - Date.now();
  if (ahead > 0 && ahead < daysAheadMax * 86_400_000) return;
  const detail = `must lie ahead, by at most ${daysAheadMax} days`;
  throw new Refusal('invalid-request', `The time ${detail}.`, {
    errors: [{ pointer: '/at', code: 'not-acceptable', detail }],
  });
}
