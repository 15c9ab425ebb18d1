import assert from 'node:assert/strict';
import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { URI } from 'otpauth';
import { callerOf, type Reply } from './client.ts';
import { mailsTo } from './mails.ts';
import { type Member, password, type Shown, sharedUrl } from './tenants.ts';

/** Signing in as people do it, from wherever they are. */
export type Opened = { id: string; token: string; stage: string; userId: string; expiresAt: string };
export type Problem = { code: string; detail: string; errors?: { pointer: string; detail: string }[] };
type Claim = { email: string; password?: string; code?: string; delivery?: 'token' | 'cookie' };

/** A member has more to it than what proves who they are. */
const proof = ({ email, password: given = password, code, delivery }: Claim) => ({
  email,
  password: given,
  ...(code && { code }),
  ...(delivery && { delivery }),
});

export function signIn(
  tenant: Pick<Shown, 'slug'>,
  claim: Claim,
  headers: Record<string, string> = {},
  base = sharedUrl(),
): Promise<Reply<Opened & Problem>> {
  return callerOf(undefined, base).call('POST', '/v1/sessions', proof(claim), {
    'x-tenant': tenant.slug,
    ...headers,
  });
}

export async function opened(tenant: Pick<Shown, 'slug'>, claim: Claim): Promise<Opened> {
  const reply = await signIn(tenant, claim);
  assert.equal(reply.status, 201, reply.text);
  return reply.body;
}

/** The same over a connection from another address of this machine: the whole of 127/8 is. */
export function signInFrom(address: string, tenant: Pick<Shown, 'slug'>, claim: Claim): Promise<Far> {
  return postFrom(address, '/v1/sessions', proof(claim), tenant);
}

type Far = { status: number; retryAfter: number; code: string };

export function postFrom(
  address: string,
  path: string,
  sent: object,
  tenant: Pick<Shown, 'slug'>,
): Promise<Far> {
  const body = JSON.stringify(sent);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      new URL(path, sharedUrl()),
      {
        method: 'POST',
        localAddress: address,
        headers: { 'content-type': 'application/json', 'x-tenant': tenant.slug },
      },
      async (incoming) => {
        const text = (await incoming.toArray()).join('') || '{}';
        const { code = '' } = JSON.parse(text) as { code?: string };
        const retryAfter = Number(incoming.headers['retry-after'] ?? 0);
        resolve({ status: incoming.statusCode ?? 0, retryAfter, code });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** What an authenticator app shows, now or a number of steps from now. */
export function codeOf(uri: string, steps = 0): string {
  const totp = URI.parse(uri);
  assert.ok('period' in totp);
  return totp.generate({ timestamp: Date.now() + steps * totp.period * 1_000 });
}

/** So that what is asked within this step is answered within it. */
export async function earlyInStep(secondsLeft = 5): Promise<void> {
  const left = 30_000 - (Date.now() % 30_000);
  if (left < secondsLeft * 1_000) await pause(left + 50);
}

export type Enrolled = { uri: string; recoveryCodes: string[]; token: string };

/** Sets up a second factor, with the code of the step before so that those after it are still good. */
export async function enrol(as: Pick<Member, 'call'>): Promise<Enrolled> {
  await earlyInStep();
  const pending = await as.call<{ uri: string }>('POST', '/v1/me/second-factor', {
    currentPassword: password,
  });
  assert.equal(pending.status, 201, pending.text);
  const { uri } = pending.body;
  const confirmed = await as.call<{ recoveryCodes: string[] }>('POST', '/v1/me/second-factor/confirmation', {
    code: codeOf(uri, -1),
  });
  assert.equal(confirmed.status, 200, confirmed.text);
  return { uri, ...confirmed.body, token: String(confirmed.headers['freehold-session']) };
}

/** The newest token mailed to this address that differs from those known. */
export async function resetToken(email: string, known: string[] = []): Promise<string> {
  for (let tries = 0; tries < 200; tries++) {
    const mails = await mailsTo(email);
    const tokens = mails.flatMap(({ text }) => /\/password-resets\/(fh_rst_\w+)/.exec(text)?.[1] ?? []);
    const fresh = tokens.find((token) => !known.includes(token));
    if (fresh) return fresh;
    await pause(50);
  }
  throw new Error(`no reset was mailed to ${email}`);
}
