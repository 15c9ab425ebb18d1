import type { Request, RequestHandler } from 'express';
import { config } from '../models/databases.ts';
import { type Address, addressOf } from '../models/system/tenant.ts';
import { tenantUrl } from '../models/tenant-address.ts';
import { Refusal } from '../policies/refusal.ts';
import { slugFaults } from '../policies/slug.ts';
import { requestIdOf } from './serve.ts';

/**
 * Which host a request is for. Two readers of one request must never read two hosts, so every odd form is decided
 * here, before anything else looks: one plain name or IP literal, with or without port, final dot and capitals;
 * whatever is said twice, empty, encoded otherwise or smuggled into the path is refused. X-Forwarded-Host is believed
 * from the proxies in FREEHOLD_TRUSTED_PROXIES and from nobody else.
 */
const namePattern = /^(?:[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

export const plainHost: RequestHandler = (request, _response, next) => {
  const authority = authorityOf(request);
  const said = request.rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === 'host').length;
  const odd = authority !== undefined && !namePattern.test(authority);
  if (said > 1 || odd || !request.originalUrl.startsWith('/')) {
    throw new Refusal(
      'invalid-request',
      'Send one Host header with a plain name, and a path that begins with a slash.',
    );
  }
  next();
};

/** Name and port as they were sent; undefined from a caller of HTTP/1.0 that sends no Host. */
export function authorityOf(request: Request): string | undefined {
  const { host, 'x-forwarded-host': forwarded } = request.headers;
  // Node joins what is sent twice by a comma, which no name holds: two proxies that disagree are refused above.
  return forwarded !== undefined && fromTrustedProxy(request) ? String(forwarded) : host;
}

function fromTrustedProxy(request: Request): boolean {
  // Express compiles the CIDRs of its setting `trust proxy` (app.ts) into this function.
  const trusts: (address: string, hop: number) => boolean = request.app.settings['trust proxy fn'];
  const { remoteAddress } = request.socket;
  return remoteAddress !== undefined && trusts(remoteAddress, 0);
}

let own = { key: '', hosts: new Set<string>() };

/** Hosts that are the service itself and no tenant's; made once, for every request asks. */
function ownHosts(): Set<string> {
  const urls = [config().publicUrl, ...config().regions.map((region) => region.publicUrl)];
  const key = urls.join(' ');
  if (own.key !== key) own = { key, hosts: new Set(urls.map((url) => new URL(url).hostname)) };
  return own.hosts;
}

/** What stands before the base domain, whether or not it can be a tenant's address. */
export function subdomainOf(request: Request): string | undefined {
  const name = authorityOf(request)?.replace(/:\d+$/, '').replace(/\.$/, '').toLowerCase();
  if (!name || ownHosts().has(name)) return undefined;
  const suffix = `.${config().http.baseDomain}`;
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : undefined;
}

const looked = new WeakMap<Request, Promise<Address | undefined>>();

/** Whom the host leads to, asked of the directory once for each request. */
export function hostAddress(request: Request, subdomain: string): Promise<Address | undefined> {
  const known = looked.get(request);
  if (known) return known;
  const found = slugFaults(subdomain).length > 0 ? Promise.resolve(undefined) : addressOf(subdomain);
  looked.set(request, found);
  return found;
}

/**
 * A tenant's former address leads to its present one. What only reads is sent on; anything else is refused with the
 * new address, because a client that repeats a change elsewhere by itself may drop its body or its credential.
 */
export const formerHost: RequestHandler = async (request, response, next) => {
  const subdomain = subdomainOf(request);
  const address = subdomain === undefined ? undefined : await hostAddress(request, subdomain);
  if (!address || address.current) {
    next();
    return;
  }
  const servedAt = tenantUrl(address.slug, '');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    throw new Refusal('misdirected', `This organisation has moved to ${servedAt}; send the request there.`, {
      extra: { servedAt },
    });
  }
  response.setHeader('X-Request-Id', requestIdOf(request));
  // 308 is cacheable by itself, and the old address may be somebody else's one day.
  response.setHeader('Cache-Control', 'private, no-store');
  response.redirect(308, tenantUrl(address.slug, request.originalUrl));
};
