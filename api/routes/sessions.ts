import { z } from 'zod';
import { endSession } from '../../models/tenant/session.ts';
import { Refusal } from '../../policies/refusal.ts';
import { sessionSent } from '../credential.ts';
import { isGone } from '../principal.ts';
import { publicRoute } from '../public-route.ts';
import { cookie } from '../session-token.ts';
import { id, moment } from '../shapes.ts';
import { signInWith } from '../sign-in.ts';
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
    stage: z.enum(['full', 'enrolment']).meta({
      description: 'enrolment: a second factor has to be set up before anything else can be done.',
    }),
    expiresAt: moment,
  })
  .meta({ id: 'NewSession' });

export const signIn = publicRoute({
  method: 'post',
  path: '/sessions',
  tag,
  summary: 'Sign in to the tenant that host, X-Tenant or ?tenant= names',
  notStored: 'the answer holds a secret, and signing in twice does no harm',
  body: z.strictObject({
    email: z.string().max(254),
    password: z.string().max(200),
    code: z.string().max(40).optional().meta({
      description: 'Of the authenticator app, or a recovery code; for those who have a second factor.',
    }),
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
    const { email, password, code, delivery } = body;
    const claim = { email, password, code, delivery, earlier: sessionSent(incoming.request) };
    const whence = { source, requestId, userAgent: incoming.request.headers['user-agent'] };
    const opened = await signInWith(place, claim, whence).catch((cause: unknown) => {
      throw isGone(cause) ? noSuchTenant() : cause;
    });
    const { token, ...shown } = { ...opened, tenantId };
    const afterCommit = listingWorkspace(place, opened.userId, incoming);
    if (delivery === 'token') return { status: 201, body: { ...shown, token }, afterCommit };
    const headers = { 'Set-Cookie': cookie(token, opened.expiresAt) };
    return { status: 201, body: shown, headers, afterCommit };
  },
});

const noSuchTenant = () => new Refusal('not-found', 'There is no such organisation.');

export const signOut = tenantWrite({
  method: 'delete',
  path: '/sessions/current',
  tag,
  summary: 'Sign out: end the session this request was made with',
  permit: ['read', 'Organisation'],
  permitOperators: ['read', 'Platform'],
  duringEnrolment: true,
  answers: { 204: null },
  handle: async ({ tenant, credential: { credentialId }, principal }) => {
    if (principal.kind !== 'user')
      throw new Refusal('conflict', 'This request was made with a key, not with a session.');
    await endSession(tenant, credentialId);
    return {
      status: 204,
      headers: { 'Set-Cookie': cookie('', new Date(0)) },
      audit: { id: credentialId, done: ['revoke', 'Session'] },
    };
  },
});
