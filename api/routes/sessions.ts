import { z } from 'zod';
import { auditInTenant } from '../../models/audit.ts';
import { passwordMatches } from '../../models/passwords.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { endSession, openSession, passwordOf } from '../../models/tenant/session.ts';
import { Refusal } from '../../policies/refusal.ts';
import { sessionCookie } from '../credential.ts';
import { isGone } from '../principal.ts';
import { publicRoute } from '../public-route.ts';
import { id, moment } from '../shapes.ts';
import { agreedTenant, servedPlace } from '../tenant-context.ts';
import { tenantWrite } from '../tenant-route.ts';
import { listingWorkspace } from '../workspace-listing.ts';

const tag = 'Sign-in';

const session = z
  .object({
    id: id('ses'),
    tenantId: id('ten'),
    userId: id('usr'),
    token: z.string().optional().meta({ description: 'Shown once; absent when delivered as a cookie.' }),
    expiresAt: moment,
  })
  .meta({ id: 'Session' });

export const signIn = publicRoute({
  method: 'post',
  path: '/sessions',
  tag,
  summary: 'Sign in to the tenant that host, X-Tenant or ?tenant= names',
  notStored: 'the answer holds a secret, and signing in twice does no harm',
  body: z.strictObject({
    email: z.string().max(254),
    password: z.string().max(200),
    delivery: z.enum(['token', 'cookie']).default('token').meta({ description: 'cookie: for browsers.' }),
  }),
  answers: { 201: session },
  handle: async ({ body, incoming, source, requestId }) => {
    const tenantId = await agreedTenant(incoming.request, undefined);
    if (!tenantId) {
      throw new Refusal(
        'invalid-request',
        'Say which organisation to sign in to: by its host, X-Tenant or ?tenant=.',
      );
    }
    const place = await servedPlace(tenantId);
    if (!place) throw noSuchTenant();
    const known = await inTenant(place, (tenant) => passwordOf(tenant, body.email)).catch(
      (cause: unknown) => {
        throw isGone(cause) ? noSuchTenant() : cause;
      },
    );
    if (!(await passwordMatches(known?.secret, body.password)) || !known) {
      await noteFailure(place, requestId, source);
      throw new Refusal('unauthenticated', 'E-mail address or password is not right.');
    }
    const opened = await open(place, known.userId, requestId, source);
    const { token, ...shown } = { ...opened, tenantId, userId: known.userId };
    const afterCommit = listingWorkspace(place, known.userId, incoming);
    if (body.delivery === 'token') return { status: 201, body: { ...shown, token }, afterCommit };
    const headers = { 'Set-Cookie': cookie(token, opened.expiresAt) };
    return { status: 201, body: shown, headers, afterCommit };
  },
});

const noSuchTenant = () => new Refusal('not-found', 'There is no such organisation.');

async function open(place: Place, userId: string, requestId: string, source: string) {
  return inTenant(place, async (tenant) => {
    const [{ state } = { state: '' }] = await tenant.sql<{ state: string }>('SELECT state FROM tenant');
    if (state !== 'active') throw new Refusal('tenant-suspended', `This organisation is ${state}.`);
    const opened = await openSession(tenant, place.tenantId, userId, source);
    await auditInTenant(tenant.sql, {
      actor: { kind: 'user', id: userId, tenantId: place.tenantId },
      action: 'create Session',
      subject: { type: 'Session', id: opened.id },
      outcome: 'done',
      rule: 'password',
      requestId,
      source,
    });
    return opened;
  });
}

/** Says that somebody tried, not whom they tried to be: that would be a list of who has an account. */
async function noteFailure(place: Place, requestId: string, source: string): Promise<void> {
  await inTenant(place, ({ sql }) =>
    auditInTenant(sql, {
      actor: { kind: 'anonymous' },
      action: 'create Session',
      subject: { type: 'Session' },
      outcome: 'refused',
      rule: 'password',
      requestId,
      source,
    }),
  );
}

/** `__Host-`: bound to this very host, sent over TLS (browsers make an exception for *.localhost), out of reach of scripts. */
function cookie(token: string, expires: Date): string {
  return `${sessionCookie}=${token}; Path=/; Secure; HttpOnly; SameSite=Lax; Expires=${expires.toUTCString()}`;
}

export const signOut = tenantWrite({
  method: 'delete',
  path: '/sessions/current',
  tag,
  summary: 'Sign out: end the session this request was made with',
  permit: ['read', 'Organisation'],
  permitOperators: ['read', 'Platform'],
  answers: { 204: null },
  handle: async ({ tenant, credential: { credentialId }, principal }) => {
    if (principal.kind !== 'user')
      throw new Refusal('conflict', 'This request was made with a key, not with a session.');
    await endSession(tenant, credentialId);
    return { status: 204, headers: { 'Set-Cookie': cookie('', new Date(0)) }, audit: { id: credentialId } };
  },
});
