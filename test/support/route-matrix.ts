import type { Route } from '../../api/route.ts';
import { newId } from '../../models/ids.ts';
import { newToken } from '../../models/tokens.ts';
import { type BuiltInRole, platformRoles, tenantRoles } from '../../policies/permission.ts';
import { permissions } from '../../policies/permissions.ts';
import { integrationBodies } from './integration-bodies.ts';
import { meteringBodies } from './metering-bodies.ts';
import { asked, freshSlug, password } from './tenants.ts';
import type { Ids, World } from './world.ts';

/**
 * What the refusal tests need to know of a route beyond its declaration: a body it would accept, and objects for
 * its path. Everything else (methods, shapes, permissions, statuses) they read off the declaration itself. A route
 * that is missing here, or a path parameter nobody can fill, fails the tests by name.
 */
const smallest = { steps: [{ id: 'only', kind: 'condition', if: 'true' }] };
const readAgents = [{ effect: 'allow', action: 'read', subject: 'Agent' }];

/** Acceptable bodies, by route; `null` for a route that takes none. */
export const acceptable: Record<string, (() => unknown) | null> = {
  'get /heavy-permits': null,
  'get /quotas': null,
  'get /quotas/:quotaId': null,
  'post /quotas': () => ({ meter: 'tokens', window: 'day', scope: 'agent', amount: 1_000 }),
  'patch /quotas/:quotaId': () => ({ thresholds: [50] }),
  'delete /quotas/:quotaId': null,
  'get /tenants/:tenantId/quotas': null,
  'get /tenants/:tenantId/quotas/:quotaId': null,
  'put /tenants/:tenantId/quotas/:quotaId': () => ({ amount: 1_000, reason: 'a reason' }),
  'get /agents/:agentId': null,
  'get /agents': null,
  'post /agents': () => ({ name: freshSlug('agent'), model: 'demo' }),
  'patch /agents/:agentId': () => ({ description: 'changed' }),
  'delete /agents/:agentId': null,
  'post /agents/:agentId/versions': () => ({ note: 'a note' }),
  'get /agents/:agentId/versions': null,
  'get /agents/:agentId/versions/:version': null,
  'get /agents/:agentId/memories': null,
  'post /agents/:agentId/memories': () => ({ text: 'a memory' }),
  'get /agents/:agentId/memories/:memoryId': null,
  'delete /agents/:agentId/memories/:memoryId': null,
  'delete /memories': () => ({ subjectId: 'nobody' }),
  'post /agent-packages': () => ({ agentId: newId('agt') }),
  'post /agent-packages/imports': () => ({
    package: {
      format: 'freehold-agent-package/1',
      id: newId('pkg'),
      exportedBy: { tenantId: newId('ten') },
      exportedAt: '2026-11-24T00:00:00Z',
      expiresAt: '2026-11-25T00:00:00Z',
      recipient: null,
      root: 'a1',
      agents: [],
      workflows: [],
      slots: [],
      signature: { algorithm: 'Ed25519', keyId: 'none', value: '' },
    },
  }),
  'get /workflows/schema': null,
  'get /workflows': null,
  'get /workflows/:workflowId': null,
  'post /workflows': () => ({ name: freshSlug('workflow'), definition: smallest }),
  'patch /workflows/:workflowId': () => ({ description: 'changed' }),
  'delete /workflows/:workflowId': null,
  'post /workflows/checks': () => ({ definition: smallest }),
  'get /workflows/:workflowId/checks': null,
  'post /workflows/:workflowId/versions': () => ({ note: 'a note' }),
  'get /workflows/:workflowId/versions': null,
  'get /workflows/:workflowId/versions/:version': null,
  'put /workflows/:workflowId/live': () => ({ version: 1, reason: 'a reason' }),
  'put /agents/:agentId/live': () => ({ version: 1, reason: 'a reason' }),
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
  'get /usage/reconciliations': null,
  'post /usage/reconciliations/:reconciliationId/repairs': () => ({ reason: 'a test' }),
  'post /usage/events': () => ({
    events: [
      {
        specversion: '1.0',
        id: freshSlug('event'),
        source: 'billing',
        type: 'tool-calls',
        time: new Date().toISOString(),
        data: { value: 1 },
      },
    ],
  }),
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
  'get /settings': null,
  'put /settings': () => ({ settings: { 'runs.maxSteps': 500 }, reason: 'a test' }),
  'patch /settings': () => ({ set: { 'runs.maxSteps': 500 }, unset: [], reason: 'a test' }),
  'get /settings/:key': null,
  'put /settings/:key': () => ({ value: 500, reason: 'a test' }),
  'delete /settings/:key': () => ({ reason: 'a test' }),
  'get /settings/:key/versions': null,
  'get /settings/versions': null,
  'get /settings/versions/:number': null,
  'post /settings/versions/:number/rollback': () => ({ reason: 'a test' }),
  'get /settings/scheduled-changes': null,
  'post /settings/scheduled-changes': () => ({
    set: { 'runs.maxSteps': 500 },
    unset: [],
    reason: 'a test',
    at: new Date(Date.now() + 3_600_000).toISOString(),
  }),
  'get /settings/scheduled-changes/:changeId': null,
  'delete /settings/scheduled-changes/:changeId': null,
  'get /platform/settings': null,
  'patch /platform/settings': () => ({ set: {}, unset: [], reason: 'a test' }),
  'get /platform/settings/versions': null,
  'get /platform/settings/versions/:number': null,
  'post /platform/settings/versions/:number/rollback': () => ({ reason: 'a test' }),
  'get /compliance-packs': null,
  'put /compliance-packs/:pack': () => ({ reason: 'a test' }),
  'delete /compliance-packs/:pack': () => ({ reason: 'a test' }),
  'get /legal-holds': null,
  'post /legal-holds': () => ({ class: 'runs', subjectId: newId('usr'), reason: 'a test' }),
  'get /legal-holds/:holdId': null,
  'post /legal-holds/:holdId/release': () => ({ reason: 'a test' }),
  'get /deletion-receipts': null,
  'get /deletion-receipts/:receiptId': null,
  'get /runs/:runId/events': null,
  'get /run-schedules': null,
  'get /run-schedules/:scheduleId': null,
  'post /run-schedules': () => ({ name: 'Nightly', agentId: newId('agt'), cron: '0 3 * * *' }),
  'patch /run-schedules/:scheduleId': () => ({ name: 'Weekly' }),
  'delete /run-schedules/:scheduleId': null,
  'get /run-schedules/:scheduleId/firings': null,
  'get /triggers': null,
  'get /triggers/:triggerId': null,
  'post /triggers': () => ({ name: 'Orders', agentId: newId('agt') }),
  'patch /triggers/:triggerId': () => ({ name: 'Returns' }),
  'post /triggers/:triggerId/rotation': () => ({ overlapSeconds: 0 }),
  'delete /triggers/:triggerId': null,
  'get /triggers/:triggerId/deliveries': null,
  'post /triggers/:triggerId/deliveries': () => ({ said: 'hello' }),
  'post /codec/decode': () => ({ payloads: [] }),
  'post /codec/encode': () => ({ payloads: [] }),
  'post /runs': () => ({ agentId: newId('agt'), input: { prompt: 'Hello' } }),
  'post /agents/:agentId/runs': () => ({ input: { prompt: 'Hello' } }),
  'get /runs': null,
  'get /runs/:runId': null,
  'post /runs/:runId/cancellation': null,
  'post /runs/:runId/pause': null,
  'post /runs/:runId/resume': null,
  'post /runs/:runId/retries': () => ({}),
  'get /runs/:runId/approvals': null,
  'post /runs/:runId/approvals/:stepPath': () => ({ verdict: 'approved' }),
  ...integrationBodies,
  'get /integrations': null,
  'get /integrations/:integrationId': null,
  'post /integrations': () => ({
    name: freshSlug('integration'),
    kind: 'http',
    target: { url: 'https://api.example.com/', auth: 'bearer' },
    credential: 'a token of a test',
  }),
  'patch /integrations/:integrationId': () => ({ name: freshSlug('integration') }),
  'delete /integrations/:integrationId': null,
  'post /integrations/:integrationId/checks': null,
  'get /integrations/:integrationId/deliveries': null,
  'post /integrations/:integrationId/deliveries/:deliveryId/replay': null,
  'get /llm-providers': null,
  'get /llm-providers/:llmProviderId': null,
  'post /llm-providers': () => ({ name: freshSlug('llm'), kind: 'demo', region: 'EU' }),
  'patch /llm-providers/:llmProviderId': () => ({ timeoutSeconds: 60 }),
  'delete /llm-providers/:llmProviderId': null,
  'post /llm-providers/:llmProviderId/credential-rotations': () => ({ credential: 'sk-none-of-anybody' }),
  'post /llm-providers/:llmProviderId/tests': () => ({ model: 'demo' }),
  'get /llm-providers/:llmProviderId/uses': null,
  'get /usage': null,
  'get /usage/report': null,
  'get /platform/usage': null,
  'get /platform/usage/rankings': null,
  'get /platform/usage/neighbours': null,
  'get /platform/usage/right-sizing': null,
  'get /tenants/:tenantId/usage': null,
  'get /encryption-key': null,
  'post /encryption-key/rotations': null,
  'put /encryption-key/customer-key': () => ({
    arn: 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  }),
  'delete /encryption-key/customer-key': null,
  ...meteringBodies,
  'get /root-key': null,
  'post /root-key-rotations': null,
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
  'post /triggers/:triggerId/deliveries',
];

type Values = { own: string; foreign: string; absent: string };

const of =
  (name: keyof Ids, absent: () => string) =>
  ({ ids }: World): Values => ({ own: ids.acme[name], foreign: ids.globex[name], absent: absent() });

/** For each path parameter: one of acme's, one of globex's, and one that nobody has. */
const parameters: Record<string, (world: World) => Values> = {
  version: () => ({ own: '1', foreign: '1', absent: '999' }),
  agentId: of('agentId', () => newId('agt')),
  memoryId: of('memoryId', () => newId('mem')),
  workflowId: of('workflowId', () => newId('wfl')),
  userId: of('userId', () => newId('usr')),
  role: of('role', () => freshSlug('role')),
  dutySeparationId: of('dutySeparationId', () => newId('dut')),
  requestId: of('requestId', () => newId('req')),
  sessionId: of('sessionId', () => newId('ses')),
  keyId: of('keyId', () => newId('key')),
  stepPath: () => ({ own: 'ask', foreign: 'ask', absent: 'ask' }),
  llmProviderId: of('llmProviderId', () => newId('llm')),
  quotaId: of('quotaId', () => newId('qta')),
  invitationId: of('invitationId', () => newId('inv')),
  // Keys and packs are the same everywhere; what one tenant has of them the other cannot name.
  key: () => ({ own: 'runs.maxSteps', foreign: 'runs.nothing', absent: 'runs.nothing' }),
  pack: () => ({ own: 'strict', foreign: 'lenient', absent: 'lenient' }),
  number: () => ({ own: '1', foreign: '999999', absent: '999999' }),
  changeId: of('changeId', () => newId('chg')),
  holdId: of('holdId', () => newId('hld')),
  receiptId: of('receiptId', () => newId('rcp')),
  runId: of('runId', () => newId('run')),
  restrictionId: of('restrictionId', () => newId('rsn')),
  scheduleId: of('scheduleId', () => newId('sch')),
  triggerId: of('triggerId', () => newId('trg')),
  integrationId: of('integrationId', () => newId('int')),
  deliveryId: of('deliveryId', () => newId('dlv')),
  reconciliationId: of('reconciliationId', () => '20200101'),
  reservationId: of('reservationId', () => 'nobodys'),
  notificationId: of('notificationId', () => newId('ntf')),
  quotaRequestId: of('quotaRequestId', () => newId('qrq')),
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
  // Messages of others hold what they like.
  const unknown = route.body?.safeParse({ unknown: 12.5 }).success ? [] : ['/un~1kn~0own'];
  return { query, body, pointers: [...pointers, ...fields.map((name) => `/${name}`), ...unknown] };
}

/** What is answered for what is another's or nowhere; where a signature is the credential, that it is not believed. */
export const statusOfAbsent = (route: Route): number =>
  nameOf(route) === 'post /triggers/:triggerId/deliveries' ? 401 : 404;

export const allRoles: BuiltInRole[] = [...tenantRoles, ...platformRoles];

/** Paths that name something else than what is asked about, which is one's own by being made or listed by oneself. */
const ofOneself = [
  'get /agents/:agentId/memories',
  'post /agents/:agentId/memories',
  'post /agents/:agentId/runs',
];

/** The roles that may not, and whether they are told so (403) or that there is nothing (404). */
export function refusedRoles(route: Route): { role: BuiltInRole; status: 403 | 404 }[] {
  if (!route.permit) return [];
  const [action, subject] = route.permit;
  const { permitOperators } = route;
  const named = parametersOf(route).length > 0;
  const own = !named || ofOneself.includes(nameOf(route));
  // What a path names here is nobody's own among these roles; a list may be of one's own things.
  const may = (role: BuiltInRole, what: string) =>
    permissions.some(
      (row) =>
        row.action === what &&
        row.subject === subject &&
        (row.roles.includes(role) || (own && row.ownOnly.includes(role))),
    );
  const mayInstead = (role: BuiltInRole) =>
    permissions.some(
      (row) => `${row.action} ${row.subject}` === permitOperators?.join(' ') && row.roles.includes(role),
    );
  return allRoles
    .filter((role) => !may(role, action) && !mayInstead(role))
    .map((role) => ({ role, status: named && !may(role, 'read') ? 404 : 403 }));
}
