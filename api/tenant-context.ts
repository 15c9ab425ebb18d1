import type { Request } from 'express';
import { config } from '../models/databases.ts';
import { isTenantId } from '../models/ids.ts';
import type { Place } from '../models/scope.ts';
import { type Address, addressOf, placeOf, systemTenantId } from '../models/system/tenant.ts';
import { Refusal } from '../policies/refusal.ts';
import { slugFaults } from '../policies/slug.ts';

/**
 * Which tenant a request means. The credential decides; subdomain, `X-Tenant` and `?tenant=` may only agree with it.
 * Without a credential (sign-in) they decide in that order, and must agree with each other.
 */
type Named = { by: string; tenantId: string };

export async function agreedTenant(
  request: Request,
  credentialTenant: string | undefined,
): Promise<string | undefined> {
  const named = await Promise.all(signals(request).map(resolve));
  const all = [...(credentialTenant ? [{ by: 'the credential', tenantId: credentialTenant }] : []), ...named];
  const [first] = all;
  const other = all.find((each) => each.tenantId !== first?.tenantId);
  if (first && other)
    throw new Refusal('tenant-mismatch', `${capital(first.by)} and ${other.by} name different tenants.`);
  return first?.tenantId;
}

/** Whether anything but the credential names a tenant; most calls by key name none and need no look-up. */
export function namesTenant(request: Request): boolean {
  return signals(request).length > 0;
}

function signals(request: Request): { by: string; value: string }[] {
  const found: { by: string; value: string }[] = [];
  refuseAmbiguous(request);
  const slug = subdomain(request.headers.host);
  if (slug) found.push({ by: 'the host', value: slug });
  const header = request.headers['x-tenant'];
  if (typeof header === 'string') found.push({ by: 'X-Tenant', value: header });
  const query = request.query.tenant;
  if (typeof query === 'string') found.push({ by: '?tenant=', value: query });
  return found;
}

const hostPattern = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/** Two readers of one request must not come to name two tenants: what is said twice or oddly is not guessed at. */
function refuseAmbiguous(request: Request): void {
  const { host } = request.headers;
  const hosts = request.rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === 'host').length;
  if (hosts > 1 || (host && !hostPattern.test(host)) || !request.originalUrl.startsWith('/')) {
    throw new Refusal(
      'invalid-request',
      'Send one Host header with a plain name, and a path that begins with a slash.',
    );
  }
  const { tenant } = request.query;
  if (tenant !== undefined && typeof tenant !== 'string') {
    throw new Refusal('invalid-request', 'Say ?tenant= once.', {
      errors: [{ pointer: '?tenant', code: 'said-twice', detail: 'must stand here once' }],
    });
  }
}

let parsed = { url: '', hostname: '' };

/** Parsed once, for every request asks. */
function publicHost(): string {
  const url = config().publicUrl;
  if (parsed.url !== url) parsed = { url, hostname: new URL(url).hostname };
  return parsed.hostname;
}

function subdomain(host: string | undefined): string | undefined {
  if (!host) return undefined;
  const name = host.replace(/:\d+$/, '').replace(/\.$/, '').toLowerCase();
  if (name === publicHost()) return undefined;
  const suffix = `.${config().http.baseDomain}`;
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : undefined;
}

async function resolve({ by, value }: { by: string; value: string }): Promise<Named> {
  if (isTenantId(value)) return { by, tenantId: value };
  const slug = value.toLowerCase();
  const address: Address | undefined = slugFaults(slug).length > 0 ? undefined : await addressOf(slug);
  if (!address) throw new Refusal('not-found', `There is no organisation at the address that ${by} gives.`);
  return { by, tenantId: address.tenantId };
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Where the tenant lives, if it is served here; a tenant of another region is sent to that region's host. */
export async function servedPlace(tenantId: string): Promise<Place | undefined> {
  const place = await placeOf(tenantId);
  if (!place || tenantId === systemTenantId || config().serves.includes(place.region)) return place;
  const publicUrl = config().regions.find((each) => each.name === place.region)?.publicUrl;
  throw new Refusal('misdirected', `This organisation is served at ${publicUrl}.`, {
    extra: { servedAt: publicUrl },
  });
}
