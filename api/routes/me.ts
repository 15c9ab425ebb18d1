import { z } from 'zod';
import { schemaOf } from '../../models/ids.ts';
import { readInSystem, readInTenant } from '../../models/scope.ts';
import { tenantById } from '../../models/system/tenant.ts';
import { passwordHolder } from '../../models/tenant/password.ts';
import { describePerson, lockPersonRow, withNames } from '../../models/tenant/person.ts';
import { insistOnSession } from '../own.ts';
import { presentTenant } from '../present.ts';
import { line, tenant } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Me';

export const me = tenantRead({
  method: 'get',
  path: '/me',
  tag,
  summary: 'Who one is, and with which roles',
  permit: ['read', 'Organisation'],
  permitOperators: ['read', 'Platform'],
  duringEnrolment: true,
  answers: {
    200: z
      .object({
        id: z.string(),
        kind: z.enum(['user', 'api-key']),
        name: z.string().nullable(),
        email: z.string().nullable(),
        tenantId: z.string(),
        roles: z.array(z.string()),
        boundBy: z.array(z.string()).nullable().meta({
          description: 'Of a person’s key with roles of its own: the person’s roles, which it cannot exceed.',
        }),
        secondFactor: z.boolean(),
        session: z
          .object({ id: z.string(), stage: z.enum(['full', 'enrolment']) })
          .nullable()
          .meta({ description: 'Null for a key.' }),
      })
      .meta({ id: 'Me' }),
  },
  handle: async ({ principal, credential, tenantId, place, keyring }) => {
    const schema = schemaOf(tenantId);
    const [rows] = await readInTenant(place, [
      {
        text: `SELECT id, NULL AS name, sealed_name, sealed_email, EXISTS (SELECT FROM ${schema}.second_factors f
                 WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL) AS second_factor
               FROM ${schema}.users u WHERE id = $1
               UNION ALL SELECT id, name, NULL, NULL, false FROM ${schema}.api_keys WHERE id = $1`,
        values: [principal.id],
      },
    ]);
    const [found = {}] = withNames(keyring, rows ?? []);
    const { name = null, email = null, second_factor: secondFactor = false } = found;
    const { roles, bound, session: facts, credentialId } = credential;
    const session = facts ? { id: credentialId, stage: facts.stage } : null;
    const { id, kind } = principal;
    const boundBy = bound ?? null;
    return { status: 200, body: { id, kind, name, email, tenantId, roles, boundBy, secondFactor, session } };
  },
});

export const changeMe = tenantWrite({
  method: 'patch',
  path: '/me',
  tag,
  summary: 'Change one’s own name',
  permit: ['update', 'User'],
  body: z.strictObject({ name: line(100) }),
  answers: {
    200: z.object({ id: z.string(), name: z.string(), email: z.string() }).meta({ id: 'OwnProfile' }),
  },
  makes: ({ me }) => ({ ownerId: me }),
  handle: async ({ tenant, principal, body: { name } }) => {
    insistOnSession(principal);
    await lockPersonRow(tenant.sql, principal.id);
    const before = await passwordHolder(tenant.sql, principal.id);
    await describePerson(tenant.sql, principal.id, { name });
    return {
      status: 200,
      body: { id: principal.id, name, email: before?.email },
      audit: { id: principal.id, before: { name: before?.name }, after: { name } },
    };
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
    text: `SELECT substr(id, 6) AS name, amount::int8::text AS amount FROM ${schemaOf(tenantId)}.quotas WHERE starts_with(id, 'plan.')`,
    values: [],
  }),
  handle: async ({ rows, tenantId }) => {
    const [found] = await readInSystem(tenantId, [tenantById(tenantId)]);
    const quotas = Object.fromEntries(rows.map((row) => [row.name, Number(row.amount)]));
    return { status: 200, body: { ...presentTenant(found?.[0] ?? {}), quotas } };
  },
});
