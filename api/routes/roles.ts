import { z } from 'zod';
import { forUpdate, type Row } from '../../models/batch.ts';
import type { TenantScope } from '../../models/scope.ts';
import { type Holder, holdersOf, insistAdministrator, insistNoLockout } from '../../models/tenant/holders.ts';
import { rightsOfPrincipal, rightsOfRoles } from '../../models/tenant/rights.ts';
import { affectedBy } from '../../models/tenant/rights-change.ts';
import {
  createRole,
  deleteRole,
  insistHeld,
  roleByName,
  roleList,
  updateRole,
  usesOf,
} from '../../models/tenant/role.ts';
import { rotateSessionsWith } from '../../models/tenant/session.ts';
import { Refusal } from '../../policies/refusal.ts';
import { compile, isBuiltIn, type Rights } from '../../policies/rights.ts';
import type { Rule } from '../../policies/rule.ts';
import { etag } from '../present.ts';
import { presentRole as present, role } from '../role.ts';
import { requireVersion } from '../route.ts';
import { rules } from '../rule.ts';
import { changesNothing, changing, dryRun, line, rightsChange } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Rights';
const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,39}$/, 'must be 2 to 40 lower-case letters, digits and hyphens, a letter first')
  .refine((text) => !isBuiltIn(text) && !text.startsWith('platform-'), 'is the name of a built-in role');
/** Also of built-in roles, so without what `name` refuses. */
export const roleParam = z.string().regex(/^[a-z][a-z0-9-]{1,39}$/, 'must be the name of a role');
const params = z.strictObject({ role: roleParam });
const description = z.string().max(500, 'must have at most 500 characters');

export const listRoles = tenantRead({
  method: 'get',
  path: '/roles',
  tag,
  summary: 'List roles: the built-in ones, then those of the organisation’s own',
  permit: ['read', 'Role'],
  answers: { 200: z.object({ items: z.array(role) }) },
  load: ({ tenantId }) => roleList(tenantId),
  handle: ({ rows }) => ({ status: 200, body: { items: rows.map(present) } }),
});

export const readRole = tenantRead({
  method: 'get',
  path: '/roles/:role',
  tag,
  summary: 'Read a role with its rules',
  permit: ['read', 'Role'],
  params,
  answers: { 200: role },
  load: ({ params: asked, tenantId }) => roleByName(tenantId, asked.role),
  handle: ({ row }) => ({ status: 200, body: present(row), headers: etag(row.version) }),
});

export const makeRole = tenantWrite({
  method: 'post',
  path: '/roles',
  tag,
  summary: 'Make a role of the organisation’s own; it may allow nothing its maker may not',
  permit: ['create', 'Role'],
  inTurn: true,
  query: z.strictObject({ dryRun }),
  body: z.strictObject({ name, title: line(80), description: description.default(''), rules }),
  answers: { 200: role, 201: role },
  handle: async ({ tenant: { sql }, body, rights, query }) => {
    insistHeld(rights, rightsBy(body.name, body.rules), 'This role');
    const made = present(await createRole(sql, body));
    if (query.dryRun) return { status: 200, body: made, unchanged: true };
    const headers = { ...etag(made.version), Location: `/v1/roles/${body.name}` };
    return { status: 201, body: made, headers, audit: { id: body.name, after: content(made) } };
  },
});

export const changeRole = tenantWrite({
  method: 'patch',
  path: '/roles/:role',
  tag,
  summary: 'Change a role; with ?dryRun=true says who would gain and lose what',
  permit: ['update', 'Role'],
  inTurn: true,
  params,
  query: z.strictObject({ dryRun }),
  body: z
    .strictObject({ title: line(80), description, rules })
    .partial()
    .refine(changing, changesNothing),
  answers: { 200: z.union([role, rightsChange]) },
  load: ({ params: asked, tenantId }) => forUpdate(roleByName(tenantId, asked.role)),
  handle: async ({ tenant, row, body, rights, query, tenantId, principal, ids, ...call }) => {
    insistOwn(row);
    requireVersion(call, Number(row.version));
    const before = present(row);
    const change = { ids, tenantId, role: String(row.name), was: row.rules as Rule[], author: rights };
    const preview = body.rules && (await judged(tenant, { ...change, will: body.rules }));
    await updateRole(tenant.sql, change.role, body);
    if (body.rules) {
      insistNoLockout(await rightsOfPrincipal(tenant.sql, tenantId, principal.id), 'update');
      await insistAdministrator(tenant.sql, tenantId);
      await rotateSessionsWith(tenant.sql, change.role);
    }
    if (query.dryRun) return { status: 200, body: preview ?? { affected: [], further: 0 }, unchanged: true };
    const { text, values } = roleByName(tenantId, change.role);
    const [stored = {}] = await tenant.sql(text, values);
    const after = present(stored);
    const audit = { id: change.role, before: content(before), after: content(after) };
    return { status: 200, body: after, headers: etag(after.version), audit };
  },
});

export const removeRole = tenantWrite({
  method: 'delete',
  path: '/roles/:role',
  tag,
  summary: 'Remove a role that nobody holds and nothing names',
  permit: ['delete', 'Role'],
  inTurn: true,
  params,
  answers: { 204: null },
  load: ({ params: asked, tenantId }) => forUpdate(roleByName(tenantId, asked.role)),
  handle: async ({ tenant: { sql }, row, rights, ...call }) => {
    insistOwn(row);
    requireVersion(call, Number(row.version));
    const removed = String(row.name);
    insistHeld(rights, rightsBy(removed, row.rules as Rule[]), 'This role');
    const uses = await usesOf(sql, removed);
    if (uses) throw new Refusal('conflict', `The role is in use: ${uses}. Take it away from them first.`);
    await deleteRole(sql, removed);
    return { status: 204, audit: { id: removed, before: content(present(row)) } };
  },
});

function insistOwn({ built_in: builtIn, name: role }: Row): void {
  if (builtIn)
    throw new Refusal('conflict', `${role} is built in and stays as it is; make a role of your own instead.`);
}

const rightsBy = (role: string, given: Rule[]): Rights => compile(given.map((rule) => ({ role, rule })));
const content = ({ title, description: about, rules: held }: ReturnType<typeof present>) => ({
  title,
  description: about,
  rules: held,
});

type Change = {
  ids: readonly string[];
  tenantId: string;
  role: string;
  was: Rule[];
  will: Rule[];
  author: Rights;
};

/** Refuses what the author may not decide, and says who would gain and lose what. */
async function judged({ sql }: TenantScope, change: Change) {
  const { role, was, will, author } = change;
  insistHeld(author, rightsBy(role, was), 'The role as it is');
  insistHeld(author, rightsBy(role, will), 'The role as it would be');
  const standings = [];
  for (const holder of await holdersOf(sql, role)) standings.push(await standingOf(sql, holder, change));
  return affectedBy(sql, standings, { rights: author, ids: change.ids });
}

/** Also a deny takes away, so whoever holds the role must not reach further than the author. */
async function standingOf(sql: TenantScope['sql'], holder: Holder, change: Change) {
  const { tenantId, role, will, author } = change;
  const before = await rightsOfRoles(sql, tenantId, holder.roles);
  insistHeld(author, before, `${holder.name} holds this role and`);
  const after = await rightsOfRoles(sql, tenantId, holder.roles, { [role]: will });
  return { holder, before, after };
}
