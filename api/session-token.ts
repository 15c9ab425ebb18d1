import { LRUCache } from 'lru-cache';
import { inTenant, type Place, readInTenant } from '../models/scope.ts';
import {
  type Delivery,
  exchangeToken,
  rotateSession,
  touchedEverySeconds,
  touchSession,
} from '../models/tenant/session.ts';
import { sessionCookie } from './credential.ts';
import type { Answer, Incoming } from './route.ts';

/** How a session's token travels back, and what a session needs beside the request it was used for. */
const tokenHeader = 'Freehold-Session';

/** `__Host-`: bound to this very host, sent over TLS (browsers make an exception for *.localhost), out of reach of scripts. */
export function cookie(token: string, expires: Date): string {
  return `${sessionCookie}=${token}; Path=/; Secure; HttpOnly; SameSite=Lax; Expires=${expires.toUTCString()}`;
}

type New = { token: string; expiresAt: Date; delivery: Delivery };

function newToken({ token, expiresAt, delivery }: New): Record<string, string> {
  return delivery === 'cookie' ? { 'Set-Cookie': cookie(token, expiresAt) } : { [tokenHeader]: token };
}

/** Exchanges the token that a change of rights has marked; of several requests at once one brings the new token. */
export async function exchange(
  place: Place,
  session: { id: string; hash: string },
  { response }: Incoming,
): Promise<void> {
  const exchanged = await inTenant(place, ({ sql }) => exchangeToken(sql, place.tenantId, session));
  for (const [name, value] of Object.entries(exchanged ? newToken(exchanged) : {}))
    response.setHeader(name, value);
}

/** In the transaction of the change that asks for it; the old token is good no more. */
export async function rotated(
  { sql }: { sql: Parameters<typeof rotateSession>[0] },
  tenantId: string,
  sessionId: string,
): Promise<Pick<Answer, 'headers'>> {
  const renewed = await rotateSession(sql, tenantId, sessionId);
  return renewed ? { headers: newToken(renewed) } : {};
}

/** Sessions whose use this process has just noted: many requests at once would else each try. */
const noted = new LRUCache<string, true>({ max: 10_000, ttl: touchedEverySeconds * 1_000 });

export async function noteUse(place: Place, id: string): Promise<void> {
  if (noted.has(id)) return;
  noted.set(id, true);
  await readInTenant(place, [touchSession(place.tenantId, id)]);
}
