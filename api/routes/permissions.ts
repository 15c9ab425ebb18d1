import { z } from 'zod';
import { schemaOf } from '../../models/ids.ts';
import type { Sql } from '../../models/scope.ts';
import { holderById } from '../../models/tenant/holders.ts';
import { rightsOfPrincipal } from '../../models/tenant/rights.ts';
import { authorize, hiddenFields, readableFacts } from '../../policies/authorize.ts';
import { actions, type SubjectType, subjects } from '../../policies/permission.ts';
import { permissions } from '../../policies/permissions.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Grant, Rights } from '../../policies/rights.ts';
import { conditionsOf, environments, factsOf, hideableFields, inWords } from '../../policies/rule.ts';
import { rule } from '../rule.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Rights';
const ofTenants = permissions.filter((row) => row.scope === 'tenant');

export const listPermissions = tenantRead({
  method: 'get',
  path: '/permissions',
  tag,
  summary: 'Every permission a role can be made of: why it exists, who has it, what it can depend on',
  permit: ['read', 'Permission'],
  answers: {
    200: z.object({
      items: z.array(
        z
          .object({
            action: z.enum(actions),
            subject: z.enum(subjects),
            why: z.string(),
            roles: z.array(z.string()),
            ownOnly: z.array(z.string()),
            conditions: z.array(z.string()),
            hideableFields: z.array(z.string()),
          })
          .meta({ id: 'Permission' }),
      ),
    }),
  },
  handle: () => ({
    status: 200,
    body: {
      items: ofTenants.map(({ action, subject, why, roles, ownOnly }) => ({
        action,
        subject,
        why,
        roles,
        ownOnly,
        conditions: conditionsOf[subject] ?? [],
        hideableFields: action === 'read' ? (hideableFields[subject] ?? []) : [],
      })),
    },
  }),
});

const object = z
  .strictObject({
    ownerId: z.string().max(60).optional(),
    tags: z.array(z.string().max(50)).max(20).optional(),
    environment: z.enum(environments).optional(),
  })
  .meta({ description: 'An object that need not exist.' });

export const simulate = tenantWrite({
  method: 'post',
  path: '/permissions/simulations',
  tag,
  summary: 'Ask what a person or key may do to an object, and which rule of which role says so',
  notStored: 'a question changes nothing',
  permit: ['simulate', 'Permission'],
  body: z.strictObject({
    principalId: z.string().max(60).meta({ description: 'A person or key.' }),
    action: z.enum(actions),
    subject: z.strictObject({
      type: z.enum(subjects),
      id: z.string().max(60).optional().meta({ description: 'An object that is there.' }),
      object: object.optional(),
    }),
  }),
  answers: {
    200: z
      .object({
        allowed: z.boolean(),
        visible: z.boolean(),
        answer: z.string(),
        decidedBy: z.object({ role: z.string(), rule }).nullable(),
        inputs: z.object({
          own: z.boolean().optional(),
          tags: z.array(z.string()).optional(),
          environment: z.string().optional(),
        }),
        hiddenFields: z.array(z.string()),
        roles: z.array(z.string()),
        active: z.boolean(),
      })
      .meta({ id: 'Simulation' }),
  },
  handle: async ({ tenant: { sql }, body: { principalId, action, subject }, tenantId, ...call }) => {
    if (!ofTenants.some((row) => row.action === action && row.subject === subject.type))
      throw new Refusal(
        'unprocessable',
        `There is no permission to ${action} ${subject.type} in an organisation; GET /v1/permissions lists them.`,
      );
    if (subject.id !== undefined && subject.object !== undefined)
      throw new Refusal(
        'unprocessable',
        'Give the id of an object, or an object that need not exist; not both.',
      );
    const holder = await holderById(sql, principalId);
    if (!holder)
      throw new Refusal('unprocessable', `There is no person or key ${principalId} in this organisation.`);
    const rights = await rightsOfPrincipal(sql, tenantId, principalId);
    const asker = { rights: call.rights, ids: call.ids };
    const { type, id } = subject;
    const object = id ? await readableBy(asker, { type, id }, { sql, tenantId }) : (subject.object ?? {});
    const asked = { type, object, ids: [principalId] };
    const facts = factsOf(object, asked.ids);
    const verdict = authorize(rights, action, asked);
    return {
      status: 200,
      body: {
        allowed: verdict.allowed && holder.active,
        visible: verdict.visible && holder.active,
        answer: holder.active ? verdict.rule : `${holder.name} is not active and may do nothing`,
        decidedBy: deciding(rights, verdict.rule),
        inputs: id ? readableFacts(asker.rights, { ...asked, ids: asker.ids }, facts) : facts,
        hiddenFields: hiddenFields(rights, asked),
        roles: holder.roles,
        active: holder.active,
      },
      unchanged: true,
    };
  },
});

/** Where an object of this kind stands; each selects what conditions look at. */
const tables: Partial<Record<SubjectType, (schema: string) => string>> = {
  Agent: (schema) => `SELECT owner_id, tags, environment FROM ${schema}.agents WHERE id = $1`,
  Workflow: (schema) => `SELECT owner_id, tags FROM ${schema}.workflows WHERE id = $1`,
  Memory: (schema) => `SELECT owner_id FROM ${schema}.memories WHERE id = $1`,
  ApiKey: (schema) => `SELECT owner_id FROM ${schema}.api_keys WHERE id = $1`,
  User: (schema) => `SELECT id AS owner_id FROM ${schema}.users WHERE id = $1`,
  Session: (schema) => `SELECT user_id AS owner_id FROM ${schema}.sessions WHERE id = $1`,
};

type Asker = { rights: Rights; ids: readonly string[] };
type Named = { type: SubjectType; id: string };
type Inside = { sql: Sql; tenantId: string };

/** The object as it stands; one that the asker may not read is answered as one that is not there. */
async function readableBy({ rights, ids }: Asker, { type, id }: Named, { sql, tenantId }: Inside) {
  const table = tables[type];
  if (!table)
    throw new Refusal('unprocessable', `No rule can tell one ${type} from another; leave the id out.`);
  const [row] = await sql(table(schemaOf(tenantId)), [id]);
  if (!row || !authorize(rights, 'read', { type, object: row, ids }).allowed)
    throw new Refusal('unprocessable', `There is no ${type} ${id} in this organisation.`);
  return row;
}

function deciding(rights: Rights, reason: string): Grant | null {
  const found = rights.grants.find(({ role, rule: held }) => `${role} ${inWords(held)}` === reason);
  return found ?? (rights.bound ? deciding(rights.bound, reason) : null);
}
