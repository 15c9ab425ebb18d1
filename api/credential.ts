import type { Request } from 'express';
import { readToken } from '../models/tokens.ts';
import { Refusal } from '../policies/refusal.ts';
import { authorityOf } from './host.ts';

/**
 * The token of a request: an Authorization header, or the session cookie of a browser. A cookie is believed for
 * changes only when the browser says that the page which sent it is ours (no other site can set these headers), or is
 * one of the `pages` that the route is open to.
 */
export const sessionCookie = '__Host-freehold';

export type Token = { kind: 'key' | 'ses'; tenantId: string; hash: string };

export function tokenOf(request: Request, pages: readonly string[] = []): Token | undefined {
  const { authorization, cookie } = request.headers;
  if (authorization !== undefined) return bearer(authorization);
  const value = cookie === undefined ? undefined : cookieValue(cookie);
  if (value === undefined) return undefined;
  if (request.method !== 'GET' && !fromOurPage(request, pages)) {
    throw new Refusal(
      'forbidden',
      'A change made with the session cookie has to come from a page of this host.',
    );
  }
  return usable(value);
}

function bearer(header: string): Token {
  const match = /^Bearer +(\S+)$/i.exec(header);
  if (!match?.[1])
    throw new Refusal('unauthenticated', 'Send the key or session as: Authorization: Bearer fh_…');
  return usable(match[1]);
}

function usable(text: string): Token {
  const token = readToken(text);
  if (token?.kind !== 'key' && token?.kind !== 'ses') throw invalid();
  return { kind: token.kind, tenantId: token.tenantId, hash: token.hash };
}

export function invalid(): Refusal {
  return new Refusal(
    'unauthenticated',
    'This credential is not valid; it may be mistyped, expired or withdrawn.',
  );
}

export function missing(): Refusal {
  return new Refusal('unauthenticated', 'Send a key or session as: Authorization: Bearer fh_…');
}

/** The session a sign-in came with, valid or not: it is replaced, and need not be believed for that. */
export function sessionSent({ headers: { authorization, cookie } }: Request): string | undefined {
  return authorization?.replace(/^Bearer +/i, '') ?? (cookie && cookieValue(cookie));
}

function cookieValue(header: string): string | undefined {
  const found = header.split(';').find((part) => part.trim().startsWith(`${sessionCookie}=`));
  return found?.trim().slice(sessionCookie.length + 1);
}

function fromOurPage(request: Request, pages: readonly string[]): boolean {
  const { origin, 'sec-fetch-site': site } = request.headers;
  if (origin !== undefined && pages.includes(origin)) return true;
  if (site !== undefined) return site === 'same-origin';
  return origin !== undefined && URL.canParse(origin) && new URL(origin).host === authorityOf(request);
}
