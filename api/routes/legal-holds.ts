import { z } from 'zod';
import { forUpdate, type Row } from '../../models/batch.ts';
import { holdById, holdList, makeHold, releaseHold } from '../../models/tenant/legal-hold.ts';
import { dataClasses } from '../../policies/data-class.ts';
import { iso, presentPage } from '../present.ts';
import { reason } from '../settings.ts';
import { id, moment, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Compliance';
const params = z.strictObject({ holdId: id('hld') });
const person = z.object({ kind: z.string(), id: z.string() });

const hold = z
  .object({
    id: id('hld'),
    class: z.enum(dataClasses).nullable().meta({ description: 'What is held; null is everything.' }),
    subjectId: z.string().nullable().meta({ description: 'Whose data is held; null is everybody’s.' }),
    reason: z.string(),
    createdBy: person,
    createdAt: moment,
    released: z.object({ at: moment, by: person, reason: z.string() }).nullable(),
  })
  .meta({ id: 'LegalHold', description: 'What must not be deleted, whatever else says so.' });

const personOf = (value: unknown) => {
  const { kind, id: who } = value as { kind: string; id: string }; // written from a Principal
  return { kind, id: who };
};

const present = (row: Row) => ({
  id: row.id,
  class: row.class ?? null,
  subjectId: row.subject_id ?? null,
  reason: row.reason,
  createdBy: personOf(row.created_by),
  createdAt: iso(row.created_at),
  released: row.released_at
    ? { at: iso(row.released_at), by: personOf(row.released_by), reason: row.release_reason }
    : null,
});

export const listHolds = tenantRead({
  method: 'get',
  path: '/legal-holds',
  tag,
  summary: 'What must not be deleted and what must no longer be kept, newest first',
  permit: ['read', 'LegalHold'],
  query: z.strictObject({ ...pagingBy('hld'), active: z.stringbool().optional() }),
  answers: { 200: page(hold) },
  load: ({ tenantId, query }) =>
    holdList(tenantId, { active: query.active, after: query.cursor, limit: query.limit + 1 }),
  handle: ({ rows, query }) => ({ status: 200, body: presentPage(rows, query.limit, present) }),
});

export const readHold = tenantRead({
  method: 'get',
  path: '/legal-holds/:holdId',
  tag,
  summary: 'One legal hold',
  permit: ['read', 'LegalHold'],
  params,
  answers: { 200: hold },
  load: ({ tenantId, params: { holdId } }) => holdById(tenantId, holdId),
  handle: ({ row }) => ({ status: 200, body: present(row) }),
});

export const makeLegalHold = tenantWrite({
  method: 'post',
  path: '/legal-holds',
  tag,
  summary: 'Keep data from being deleted, by retention, by people and with the organisation',
  permit: ['create', 'LegalHold'],
  inTurn: true,
  body: z.strictObject({
    class: z.enum(dataClasses).nullable().default(null),
    subjectId: z
      .string()
      .regex(/^[a-z]{2,4}_[0-9a-hjkmnp-tv-z]{26}$/, 'must be the id of a person or another subject, or null')
      .nullable()
      .default(null),
    reason,
  }),
  answers: { 201: hold },
  handle: async ({ tenant: { sql }, body, principal }) => {
    const made = present(await makeHold(sql, { ...body, by: principal }));
    return {
      status: 201,
      body: made,
      headers: { Location: `/v1/legal-holds/${made.id}` },
      audit: {
        id: String(made.id),
        reason: body.reason,
        details: { class: body.class, subjectId: body.subjectId },
      },
    };
  },
});

export const releaseLegalHold = tenantWrite({
  method: 'post',
  path: '/legal-holds/:holdId/release',
  tag,
  summary: 'Let it be deleted again; the hold stays in the list, with who released it and why',
  permit: ['delete', 'LegalHold'],
  inTurn: true,
  params,
  body: z.strictObject({ reason }),
  answers: { 200: hold },
  load: ({ tenantId, params: { holdId } }) => forUpdate(holdById(tenantId, holdId)),
  handle: async ({ tenant: { sql }, row, body, principal }) => ({
    status: 200,
    body: present(await releaseHold(sql, String(row.id), { reason: body.reason, by: principal })),
    audit: { id: String(row.id), reason: body.reason },
  }),
});
