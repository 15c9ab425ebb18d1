import { z } from 'zod';
import { forUpdate, type Row } from '../../models/batch.ts';
import {
  createSeparation,
  deleteSeparation,
  holdersOfTwo,
  separationById,
  separationList,
} from '../../models/tenant/duty-separation.ts';
import { Refusal } from '../../policies/refusal.ts';
import { iso } from '../present.ts';
import { id, line, moment } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Rights';
const params = z.strictObject({ dutySeparationId: id('dut') });

const separation = z
  .object({ id: id('dut'), name: z.string(), roles: z.array(z.string()), createdAt: moment })
  .meta({ id: 'DutySeparation', description: 'Roles of which nobody may hold two.' });

const present = (row: Row) => ({
  id: row.id,
  name: row.name,
  roles: row.roles,
  createdAt: iso(row.created_at),
});

export const listSeparations = tenantRead({
  method: 'get',
  path: '/duty-separations',
  tag,
  summary: 'List which roles nobody may hold together',
  permit: ['read', 'DutySeparation'],
  answers: { 200: z.object({ items: z.array(separation) }) },
  load: ({ tenantId }) => separationList(tenantId),
  handle: ({ rows }) => ({ status: 200, body: { items: rows.map(present) } }),
});

export const makeSeparation = tenantWrite({
  method: 'post',
  path: '/duty-separations',
  tag,
  summary: 'Say which roles nobody may hold together; refused while somebody does',
  permit: ['create', 'DutySeparation'],
  inTurn: true,
  body: z.strictObject({
    name: line(80),
    roles: z
      .array(z.string().max(40))
      .min(2, 'must name at least two roles')
      .max(20, 'must name at most 20 roles')
      .refine((all) => new Set(all).size === all.length, 'must not name a role twice'),
  }),
  answers: { 201: separation },
  handle: async ({ tenant: { sql }, body }) => {
    const both = await holdersOfTwo(sql, body.roles);
    if (both.length > 0)
      throw new Refusal(
        'conflict',
        `Some hold two of these roles; take one from each first: ${both.join(', ')}.`,
      );
    const made = present(await createSeparation(sql, body));
    const { name, roles } = body;
    return {
      status: 201,
      body: made,
      headers: { Location: `/v1/duty-separations/${made.id}` },
      audit: { id: String(made.id), after: { name, roles } },
    };
  },
});

export const removeSeparation = tenantWrite({
  method: 'delete',
  path: '/duty-separations/:dutySeparationId',
  tag,
  summary: 'Let these roles be held together again',
  permit: ['delete', 'DutySeparation'],
  inTurn: true,
  params,
  answers: { 204: null },
  load: ({ params: asked, tenantId }) => forUpdate(separationById(tenantId, asked.dutySeparationId)),
  handle: async ({ tenant: { sql }, row }) => {
    await deleteSeparation(sql, String(row.id));
    return { status: 204, audit: { id: String(row.id), before: { name: row.name, roles: row.roles } } };
  },
});
