import { z } from 'zod';
import { schemaOf } from '../../models/ids.ts';
import { readInSystem, readInTenant } from '../../models/scope.ts';
import { tenantById } from '../../models/system/tenant.ts';
import { presentTenant } from '../present.ts';
import { tenant } from '../shapes.ts';
import { tenantRead } from '../tenant-route.ts';

const tag = 'Me';

export const me = tenantRead({
  method: 'get',
  path: '/me',
  tag,
  summary: 'Who one is, and with which roles',
  permit: ['read', 'Organisation'],
  permitOperators: ['read', 'Platform'],
  answers: {
    200: z
      .object({
        id: z.string(),
        kind: z.enum(['user', 'api-key']),
        name: z.string().nullable(),
        email: z.string().nullable(),
        tenantId: z.string(),
        roles: z.array(z.string()),
      })
      .meta({ id: 'Me' }),
  },
  handle: async ({ principal, credential: { roles }, tenantId, place }) => {
    const [rows] = await readInTenant(place, [
      { text: `SELECT name, email FROM ${schemaOf(tenantId)}.users WHERE id = $1`, values: [principal.id] },
    ]);
    const { name = null, email = null } = rows?.[0] ?? {};
    return { status: 200, body: { id: principal.id, kind: principal.kind, name, email, tenantId, roles } };
  },
});

export const ownTenant = tenantRead({
  method: 'get',
  path: '/tenant',
  tag,
  summary: 'The organisation one is in',
  permit: ['read', 'Organisation'],
  answers: { 200: tenant.extend({ quotas: z.record(z.string(), z.int()) }).meta({ id: 'OwnTenant' }) },
  load: ({ tenantId }) => ({
    text: `SELECT meter, amount::int8::text AS amount FROM ${schemaOf(tenantId)}.quotas`,
    values: [],
  }),
  handle: async ({ rows, tenantId }) => {
    const [found] = await readInSystem(tenantId, [tenantById(tenantId)]);
    const quotas = Object.fromEntries(rows.map((row) => [row.meter, Number(row.amount)]));
    return { status: 200, body: { ...presentTenant(found?.[0] ?? {}), quotas } };
  },
});
