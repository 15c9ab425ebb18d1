import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import { schemaOf } from '../../models/ids.ts';
import { readInTenant } from '../../models/scope.ts';
import { explainedDays, refusalByRequest } from '../../models/tenant/audit-event.ts';
import { withNames } from '../../models/tenant/person.ts';
import { authorize, readableFacts } from '../../policies/authorize.ts';
import { subjects } from '../../policies/permission.ts';
import { permissions } from '../../policies/permissions.ts';
import type { Rights } from '../../policies/rights.ts';
import type { Facts } from '../../policies/rule.ts';
import { type Limiting, limitChangeable, limitRule } from '../explained-limit.ts';
import { iso } from '../present.ts';
import { moment } from '../shapes.ts';
import { tenantRead } from '../tenant-route.ts';

/**
 * Why a request was refused: the rule, what it looked at, and who can change it. For whoever was refused, and for
 * those who may see every refusal. What was hidden from somebody stays hidden here: to them an object that is not
 * there and one they may not see are explained alike.
 */
export const explain = tenantRead({
  method: 'get',
  path: '/explanations/:requestId',
  tag: 'Rights',
  summary: `Why a request was refused in the last ${explainedDays} days, and who can change that`,
  permit: ['read', 'Refusal'],
  params: z.strictObject({
    requestId: z.string().regex(/^[\w.-]{8,64}$/, 'must be the X-Request-Id of an answer'),
  }),
  answers: {
    200: z
      .object({
        requestId: z.string(),
        at: moment,
        principalId: z.string().nullable(),
        route: z.string().nullable(),
        action: z.string(),
        subject: z.object({ type: z.string(), id: z.string().nullable() }),
        code: z.string().nullable(),
        detail: z.string().nullable(),
        rule: z.string().nullable(),
        inputs: z
          .looseObject({})
          .nullable()
          .meta({ description: 'What was looked at; of a change, the object as it would have become.' }),
        considered: z.array(z.string()).nullable().meta({
          description: 'What the roles of whoever was refused say about doing this to such objects.',
        }),
        roles: z.array(z.string()),
        rightsVersion: z.int().nullable(),
        changeableBy: z.object({
          how: z.string(),
          roles: z.array(z.string()),
          people: z.array(z.object({ id: z.string(), name: z.string() })),
        }),
      })
      .meta({ id: 'Explanation' }),
  },
  filtered: true,
  load: ({ params: { requestId }, tenantId, ids, visible }) =>
    refusalByRequest(tenantId, requestId, { ids, visible }),
  handle: async ({ row, rights, ids, place, tenantId, keyring }) => {
    const everything = authorize(rights, 'read', { type: 'Refusal', object: {} }).allowed;
    const namesPeople = authorize(rights, 'read', { type: 'User', object: {} }).allowed;
    const who = changeable(row);
    const [people = []] =
      namesPeople && who.roles.length > 0 ? await readInTenant(place, [holdersOf(tenantId, who.roles)]) : [];
    const inputs = readableInputs(row, rights, ids);
    const body = {
      ...explanation(row),
      inputs,
      changeableBy: { ...who, people: inOrder(withNames(keyring, people)) },
    };
    return { status: 200, body: everything ? body : guarded(body) };
  },
});

type Told = Limiting & {
  code?: string;
  detail?: string;
  route?: string;
  roles?: string[];
  rightsVersion?: number;
  inputs?: Facts;
  considered?: string[];
};

function explanation(row: Row) {
  const told = row.details as Told; // as api/recording.ts writes them
  return {
    requestId: String(row.request_id),
    at: iso(row.at),
    principalId: row.owner_id ?? null,
    route: told.route ?? null,
    action: String(row.action),
    subject: { type: String(row.subject_type), id: row.subject_id ?? null },
    code: told.code ?? null,
    detail: told.detail ?? null,
    rule: limitRule(told) ?? row.rule ?? null,
    considered: told.considered ?? null,
    roles: told.roles ?? [],
    rightsVersion: told.rightsVersion ?? null,
  };
}

/**
 * What the decision looked at, by the rights of whoever reads it: also an overseer of refusals sees of an object what
 * they may read, and of one they may not read nothing. `own` was said of the refused.
 */
function readableInputs(row: Row, rights: Rights, ids: readonly string[]): object | null {
  const { inputs, quota, restriction } = row.details as Told;
  const limiting = restriction ?? quota;
  if (limiting) return limiting;
  const type = subjects.find((each) => each === row.subject_type);
  if (!inputs || !type) return null;
  const theirs = ids.includes(String(row.owner_id));
  const object = { ...inputs, ...(theirs && inputs.own && { ownerId: ids[0] }) };
  const asked = { type, object, ids };
  if (!theirs && !authorize(rights, 'read', asked).allowed) return null;
  return readableFacts(rights, asked, inputs);
}

function guarded<T extends ReturnType<typeof explanation> & { inputs: object | null }>(whole: T): T {
  if (whole.code !== 'not-found') return whole;
  const rule = 'Either there is no such object, or no role of yours lets you read it.';
  return { ...whole, rule, inputs: null, considered: null, subject: { ...whole.subject, id: null } };
}

const mayAssign =
  permissions.find((each) => each.action === 'assign' && each.subject === 'Role')?.roles ?? [];

const holdersOf = (tenantId: string, roles: readonly string[]) => ({
  text: `SELECT DISTINCT u.id, u.sealed_name, u.sealed_email FROM ${schemaOf(tenantId)}.users u
         JOIN ${schemaOf(tenantId)}.role_assignments a ON a.principal_id = u.id
         WHERE u.state = 'active' AND a.role = ANY (string_to_array($1, ' ')) ORDER BY u.id LIMIT 100`,
  values: [roles.join(' ')],
});

const shownMax = 5;

const inOrder = (people: Row[]) =>
  people
    .map(({ id, name }) => ({ id: String(id), name: String(name) }))
    .toSorted((one, other) => one.name.localeCompare(other.name))
    .slice(0, shownMax);

/** A role helps only where rights were in the way, and rights that a role can hold. */
function changeable(row: Row) {
  const { code = '', detail = '', ...told } = row.details as Told;
  const limit = limitChangeable(told);
  if (limit) return limit;
  if (code !== 'forbidden' && code !== 'not-found') return { how: detail, roles: [] };
  if (ofPlatform.includes(String(row.action)))
    return {
      how: 'Only operators of the platform may do this; no role can allow it.',
      roles: [],
    };
  return {
    how: 'PUT /v1/users/{userId}/roles/{role}, or PATCH /v1/roles/{role} for a role of the organisation’s own',
    roles: mayAssign,
  };
}

const ofPlatform = permissions
  .filter(({ scope }) => scope === 'platform')
  .map(({ action, subject }) => `${action} ${subject}`);
