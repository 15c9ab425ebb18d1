import { randomBytes } from 'node:crypto';
import { type Caller, callerOf, operator, type Reply } from './client.ts';
import { handed } from './environment.ts';

/** Tenants as a test needs them: onboarded through the API, their administrator's invitation accepted from the mail. */
export type Shown = {
  id: string;
  slug: string;
  state: string;
  version: number;
  operation: { id: string; href: string };
};
export type Followed = {
  id: string;
  state: string;
  percent: number;
  steps: { name: string; state: string; attempts: number; startedAt?: string; endedAt?: string }[];
  result: Record<string, unknown> | null;
  problem: { detail: string } | null;
};

/** Letters only: digits would fold into letters that look like them. */
export function freshSlug(prefix = 'org'): string {
  const letters = [...randomBytes(12)].map((byte) => 'bcdfghkpqtxz'[byte % 12]).join('');
  return `${prefix}-${letters}`;
}

export const asked = (slug: string, more: Record<string, unknown> = {}) => ({
  slug,
  name: `Organisation ${slug}`,
  region: 'eu',
  plan: 'team',
  admin: { email: `admin@${slug}.example`, name: 'Ada Admin' },
  ...more,
});

export async function follow(operationId: string, as: Caller = operator(), seconds = 60): Promise<Followed> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const { body } = await as.call<Followed>('GET', `/v1/operations/${operationId}`, undefined, {
      prefer: 'wait=5',
    });
    if (['succeeded', 'failed', 'cancelled', 'parked'].includes(body.state)) return body;
    if (Date.now() > deadline)
      throw new Error(`operation ${operationId} is still ${body.state}: ${JSON.stringify(body.steps)}`);
  }
}

export async function onboard(more: Record<string, unknown> = {}, as: Caller = operator()): Promise<Shown> {
  const slug = freshSlug();
  const reply: Reply<Shown> = await as.call<Shown>('POST', '/v1/tenants', asked(slug, more));
  if (reply.status !== 202) throw new Error(`onboarding answered ${reply.status}: ${reply.text}`);
  const done = await follow(reply.body.operation.id, as);
  if (done.state !== 'succeeded') throw new Error(`onboarding ${done.state}: ${JSON.stringify(done)}`);
  return reply.body;
}

export const password = 'correct horse battery';

/** The token in the invitation mailed to this address. */
export async function invitationToken(email: string, as: Caller = operator()): Promise<string> {
  const { body } = await as.call<{ items: { to: string; links: string[] }[] }>(
    'GET',
    '/v1/mailbox?limit=200',
  );
  const link = body.items.find((mail) => mail.to.includes(email))?.links[0];
  const token = link?.split('/').pop();
  if (!token) throw new Error(`no invitation was mailed to ${email}`);
  return token;
}

export type Member = Caller & { token: string; tenant: Shown; email: string };

/** Where to ask: the installation all tests share, or one of the test's own. */
export type Installed = { url: string; operatorKey: string };

/** A new tenant and its administrator, signed in. */
export async function member(
  more: Record<string, unknown> = {},
  at: Installed = handed().shared,
): Promise<Member> {
  const tenant = await onboard(more, callerOf(at.operatorKey, at.url));
  const email = `admin@${tenant.slug}.example`;
  return { ...(await signedIn(tenant, email, at)), tenant, email };
}

async function signedIn(
  tenant: Shown,
  email: string,
  { url, operatorKey }: Installed,
): Promise<Caller & { token: string }> {
  const nobody = callerOf(undefined, url);
  const token = await invitationToken(email, callerOf(operatorKey, url));
  const accepted = await nobody.call('POST', `/v1/invitations/${token}/acceptance`, {
    name: 'Ada Admin',
    password,
  });
  if (accepted.status !== 201) throw new Error(`acceptance answered ${accepted.status}: ${accepted.text}`);
  const session = await nobody.call<{ token: string }>(
    'POST',
    '/v1/sessions',
    { email, password },
    { 'x-tenant': tenant.slug },
  );
  if (session.status !== 201) throw new Error(`sign-in answered ${session.status}: ${session.text}`);
  return { ...callerOf(session.body.token, url), token: session.body.token };
}

/** Two tenants in two regions, alike in everything but their ids. */
export async function twoTenants(): Promise<[Member, Member]> {
  return Promise.all([
    member({ name: 'Same Name', region: 'eu' }),
    member({ name: 'Same Name', region: 'us' }),
  ]);
}

export const sharedUrl = () => handed().shared.url;
