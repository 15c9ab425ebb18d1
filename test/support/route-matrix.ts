import type { Route } from '../../api/route.ts';
import { newId } from '../../models/ids.ts';
import { newToken } from '../../models/secrets.ts';
import { type BuiltInRole, permissions, platformRoles, tenantRoles } from '../../policies/permissions.ts';
import { asked, freshSlug, password } from './tenants.ts';
import type { Ids, World } from './world.ts';

/**
 * What the refusal tests need to know of a route beyond its declaration: a body it would accept, and objects for
 * its path. Everything else (methods, shapes, permissions, statuses) they read off the declaration itself. A route
 * that is missing here, or a path parameter nobody can fill, fails the tests by name.
 */
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
  'post /invitations': () => ({ email: `${freshSlug('guest')}@example.com`, roles: ['viewer'] }),
  'post /invitations/bulk': () => ({ invitations: [acceptable['post /invitations']?.()] }),
  'get /invitations': null,
  'get /invitations/:invitationId': null,
  'post /invitations/:invitationId/resend': null,
  'post /invitations/:invitationId/revocation': null,
  'get /users': null,
  'get /users/:userId': null,
  'patch /users/:userId': () => ({ name: 'Another Name' }),
  'post /users/:userId/deactivation': null,
  'post /users/:userId/reactivation': null,
  'delete /users/:userId': null,
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
  'patch /me': () => ({ name: 'Another Name' }),
  'post /me/password': () => ({ currentPassword: 'not the password', newPassword: 'another horse battery' }),
  'post /password-resets': () => ({ email: 'nobody@example.com' }),
  'post /password-resets/:token': () => ({ password }),
  'post /users/:userId/password-reset': null,
  'post /me/second-factor': () => ({ currentPassword: 'not the password' }),
  'post /me/second-factor/confirmation': () => ({ code: '000000' }),
  'delete /me/second-factor': () => ({ code: '000000' }),
  'delete /users/:userId/second-factor': null,
  'get /me/sessions': null,
  'delete /me/sessions/:sessionId': null,
  'delete /me/sessions': null,
  'get /users/:userId/sessions': null,
  'delete /users/:userId/sessions': null,
  'get /security-policy': null,
  'patch /security-policy': () => ({ idleMinutes: 700 }),
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
  'post /password-resets',
  'post /password-resets/:token',
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
  sessionId: of('sessionId', () => newId('ses')),
  keyId: of('keyId', () => newId('key')),
  invitationId: of('invitationId', () => newId('inv')),
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
