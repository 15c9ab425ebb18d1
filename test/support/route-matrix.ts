import type { Route } from '../../api/route.ts';
import { newId } from '../../models/ids.ts';
import { newToken } from '../../models/secrets.ts';
import { type BuiltInRole, permissions, platformRoles, tenantRoles } from '../../policies/permissions.ts';
import { signedInPerson } from './people.ts';
import { asked, freshSlug, type Member, password } from './tenants.ts';

/**
 * What the refusal tests need to know of a route beyond its declaration: a body it would accept, and objects for
 * its path. Everything else (methods, shapes, permissions, statuses) they read off the declaration itself. A route
 * that is missing here, or a path parameter nobody can fill, fails the tests by name.
 */
export type World = { acme: Member; globex: Member; ids: { acme: Ids; globex: Ids } };

/** One object of each kind that a path can name. */
type Ids = {
  agentId: string;
  userId: string;
  role: string;
  dutySeparationId: string;
  requestId: string;
  keyId: string;
};

export async function worldOf(acme: Member, globex: Member): Promise<World> {
  return { acme, globex, ids: { acme: await filled(acme), globex: await filled(globex) } };
}

async function filled(as: Member): Promise<Ids> {
  const { id: userId } = await signedInPerson(as.tenant.id, 'viewer');
  const role = freshSlug('role');
  const agent = await made(as, '/v1/agents', { name: freshSlug('agent'), model: 'demo' });
  const rules = [{ effect: 'allow', action: 'read', subject: 'Agent' }];
  await made(as, '/v1/roles', { name: role, title: 'A role', rules });
  const separation = await made(as, '/v1/duty-separations', { name: role, roles: ['billing', role] });
  const { headers } = await as.call('GET', `/v1/agents/${newId('agt')}`);
  const requestId = String(headers['x-request-id']);
  const key = await made(as, '/v1/api-keys', { name: 'Nightly', kind: 'service', roles: ['viewer'] });
  return { agentId: agent.id, userId, role, dutySeparationId: separation.id, requestId, keyId: key.id };
}

async function made(as: Member, path: string, body: object): Promise<{ id: string }> {
  const reply = await as.call<{ id: string }>('POST', path, body);
  if (reply.status !== 201) throw new Error(`${path} answered ${reply.status}: ${reply.text}`);
  return reply.body;
}

const readAgents = [{ effect: 'allow', action: 'read', subject: 'Agent' }];

/** Acceptable bodies, by route; `null` for a route that takes none. */
export const acceptable: Record<string, (() => unknown) | null> = {
  'get /agents/:agentId': null,
  'get /agents': null,
  'post /agents': () => ({ name: freshSlug('agent'), model: 'demo' }),
  'patch /agents/:agentId': () => ({ description: 'changed' }),
  'delete /agents/:agentId': null,
  'get /roles': null,
  'get /roles/:role': null,
  'post /roles': () => ({ name: freshSlug('role'), title: 'A role', rules: readAgents }),
  'patch /roles/:role': () => ({ title: 'Another title' }),
  'delete /roles/:role': null,
  'put /users/:userId/roles/:role': null,
  'delete /users/:userId/roles/:role': null,
  'get /permissions': null,
  'post /permissions/simulations': () => ({
    principalId: newId('usr'),
    action: 'read',
    subject: { type: 'Agent' },
  }),
  'get /explanations/:requestId': null,
  'get /duty-separations': null,
  'post /duty-separations': () => ({ name: freshSlug('duty'), roles: ['viewer', 'builder'] }),
  'delete /duty-separations/:dutySeparationId': null,
  'get /audit-events': null,
  'get /me': null,
  'get /tenant': null,
  'post /sessions': () => ({ email: 'nobody@example.com', password }),
  'delete /sessions/current': null,
  'post /invitations/:token/acceptance': () => ({ name: 'Nobody', password }),
  'get /invitations/:token/organisation': null,
  'get /context': null,
  'post /discovery': () => ({ email: 'nobody@example.com' }),
  'get /operations/:operationId': null,
  'get /operations': null,
  'post /operations/:operationId/retry': null,
  'post /operations/:operationId/cancellation': null,
  'get /tenants': null,
  'post /tenants': () => asked(freshSlug('refused')),
  'get /tenants/:tenantId': null,
  'patch /tenants/:tenantId': () => ({ name: 'Another Name' }),
  'put /tenants/:tenantId/suspension': () => ({ reason: 'a reason' }),
  'delete /tenants/:tenantId/suspension': null,
  'delete /tenants/:tenantId': null,
  'delete /tenants/:tenantId/deletion': null,
  'get /platform/audit-events': null,
  'get /mailbox': null,
  'get /api-keys': null,
  'get /api-keys/:keyId': null,
  'post /api-keys': () => ({ name: 'Nightly', kind: 'service', roles: ['viewer'] }),
  'patch /api-keys/:keyId': () => ({ name: 'Weekly' }),
  'post /api-keys/:keyId/rotation': () => ({ overlapSeconds: 0 }),
  'delete /api-keys/:keyId': null,
};

/** Routes for people who are nobody yet. One more is a decision, so it has to be written down here. */
export const publicRoutes = [
  'get /context',
  'get /invitations/:token/organisation',
  'post /discovery',
  'post /invitations/:token/acceptance',
  'post /sessions',
];

type Values = { own: string; foreign: string; absent: string };

const of =
  (name: keyof Ids, absent: () => string) =>
  ({ ids }: World): Values => ({ own: ids.acme[name], foreign: ids.globex[name], absent: absent() });

/** For each path parameter: one of acme's, one of globex's, and one that nobody has. */
const parameters: Record<string, (world: World) => Values> = {
  agentId: of('agentId', () => newId('agt')),
  userId: of('userId', () => newId('usr')),
  role: of('role', () => freshSlug('role')),
  dutySeparationId: of('dutySeparationId', () => newId('dut')),
  requestId: of('requestId', () => newId('req')),
  keyId: of('keyId', () => newId('key')),
  tenantId: ({ acme, globex }) => ({
    own: acme.tenant.id,
    foreign: globex.tenant.id,
    absent: newId('ten'),
  }),
  operationId: ({ acme, globex }) => ({
    own: acme.tenant.operation.id,
    foreign: globex.tenant.operation.id,
    absent: newId('op'),
  }),
  token: ({ acme, globex }) => ({
    own: newToken('inv', acme.tenant.id),
    foreign: newToken('inv', globex.tenant.id),
    absent: newToken('inv', newId('ten')),
  }),
};

export const nameOf = (route: Route): string => `${route.method} ${route.path}`;

export function parametersOf(route: Route): string[] {
  return [...route.path.matchAll(/:(\w+)/g)].map((match) => match[1] ?? '');
}

export function pathOf(route: Route, world: World, whose: keyof Values): string {
  const filled = route.path.replaceAll(/:(\w+)/g, (_, name: string) => {
    const values = parameters[name];
    if (!values) throw new Error(`test/support/route-matrix.ts does not know the path parameter :${name}`);
    return values(world)[whose];
  });
  return `/v1${filled}`;
}

/** Every way in which the declared shapes can be broken at once, and the pointers that must come back. */
export function brokenCall(route: Route): { query: string; body: unknown; pointers: string[] } {
  const fields = Object.keys(route.body?.shape ?? {});
  const filters = Object.keys(route.query?.shape ?? {});
  // 12.5 is no text, list, object or whole number; 600 letters are no number, id, word of a list or short text.
  const body = Object.fromEntries([...fields, 'un/kn~own'].map((name) => [name, 12.5]));
  const query = [...filters, 'unknown'].map((name) => `${name}=${'x'.repeat(600)}`).join('&');
  const pointers = [...filters.map((name) => `?${name}`), '?unknown'];
  if (route.method === 'get') return { query, body: undefined, pointers };
  return { query, body, pointers: [...pointers, ...fields.map((name) => `/${name}`), '/un~1kn~0own'] };
}

export const allRoles: BuiltInRole[] = [...tenantRoles, ...platformRoles];

/** The roles that may not, and whether they are told so (403) or that there is nothing (404). */
export function refusedRoles(route: Route): { role: BuiltInRole; status: 403 | 404 }[] {
  if (!route.permit) return [];
  const [action, subject] = route.permit;
  const { permitOperators } = route;
  const named = parametersOf(route).length > 0;
  // What a path names here is nobody's own among these roles; a list may be of one's own things.
  const may = (role: BuiltInRole, what: string) =>
    permissions.some(
      (row) =>
        row.action === what &&
        row.subject === subject &&
        (row.roles.includes(role) || (!named && row.ownOnly.includes(role))),
    );
  const mayInstead = (role: BuiltInRole) =>
    permissions.some(
      (row) => `${row.action} ${row.subject}` === permitOperators?.join(' ') && row.roles.includes(role),
    );
  return allRoles
    .filter((role) => !may(role, action) && !mayInstead(role))
    .map((role) => ({ role, status: named && !may(role, 'read') ? 404 : 403 }));
}
