import type { Request } from 'express';
import { config } from '../models/databases.ts';
import { isTenantId } from '../models/ids.ts';
import type { Place } from '../models/scope.ts';
import { addressOf, placeOf, systemTenantId } from '../models/system/tenant.ts';
import { Refusal } from '../policies/refusal.ts';
import { slugFaults } from '../policies/slug.ts';
import { hostAddress, subdomainOf } from './host.ts';

/**
 * Which tenant a request means. The credential decides; subdomain, `X-Tenant` and `?tenant=` may only agree with it.
 * Without a credential (sign-in) they decide in that order, and must agree with each other.
 * (docs/decisions/2026-11-23-which-tenant.md)
 */
export const precedence = [
  { by: 'credential', title: 'the credential', decides: 'Decides; the others may only agree with it.' },
  { by: 'host', title: 'the host', decides: 'Decides when there is no credential.' },
  { by: 'header', title: 'X-Tenant', decides: 'Decides when there is no credential and no tenant’s host.' },
  { by: 'query', title: '?tenant=', decides: 'Decides when nothing else names a tenant.' },
] as const;
type By = (typeof precedence)[number]['by'];

export const titleOf = (by: By): string => precedence.find((each) => each.by === by)?.title ?? by;

/** `tenantId` is undefined when it leads to no tenant; `slug` is the address as it is today, when it was named by one. */
type Signal = {
  by: By;
  value: string;
  tenantId: string | undefined;
  slug?: string | undefined;
  former: boolean;
};

/** The signals by precedence; the first one wins if all agree with it. */
export type Reading = { signals: Signal[]; agreed: boolean };

export async function readTenant(request: Request, credentialTenant: string | undefined): Promise<Reading> {
  const credential: Signal[] = credentialTenant
    ? [{ by: 'credential', value: credentialTenant, tenantId: credentialTenant, former: false }]
    : [];
  const named = await Promise.all(said(request).map((each) => resolve(request, each)));
  const signals = [...credential, ...named];
  const agreed = signals.every(({ tenantId }) => tenantId && tenantId === signals[0]?.tenantId);
  return { signals, agreed };
}

/** The tenant that all signals name, or undefined when there are none. Throws when they do not agree. */
export async function agreedTenant(
  request: Request,
  credentialTenant: string | undefined,
): Promise<string | undefined> {
  const reading = await readTenant(request, credentialTenant);
  if (!reading.agreed) throw disagreement(reading);
  return reading.signals[0]?.tenantId;
}

/** Whether anything but the credential names a tenant; most calls by key name none and need no look-up. */
export function namesTenant(request: Request): boolean {
  return said(request).length > 0;
}

/** Its own class because it is written to the audit trail: it is how an attempt to cross tenants looks. */
export class TenantMismatch extends Refusal {
  readonly reading: Reading;
  constructor(reading: Reading, yours?: { host: string }) {
    super('tenant-mismatch', whyNot(reading), { extra: { ...(yours && { yours }) } });
    this.reading = reading;
  }
}

/** Whether two tenants are named, rather than none. */
export const isMismatch = ({ signals, agreed }: Reading): boolean =>
  !agreed && signals.every((each) => each.tenantId !== undefined);

/** What is wrong with the signals; `yours` is the caller's own address, for those whose credential is verified. */
export function disagreement(reading: Reading, yours?: { host: string }): Refusal {
  return isMismatch(reading) ? new TenantMismatch(reading, yours) : new Refusal('not-found', whyNot(reading));
}

export function whyNot({ signals: [first, ...others] }: Reading): string {
  const all = first ? [first, ...others] : others;
  const unknown = all.find((each) => each.tenantId === undefined);
  if (unknown) return `There is no organisation at the address that ${titleOf(unknown.by)} gives.`;
  const other = others.find((each) => each.tenantId !== first?.tenantId);
  const [one, two] = [first, other].map((each) => (each ? titleOf(each.by) : ''));
  return `${capital(one ?? '')} and ${two} name different tenants.`;
}

type Said = { by: Exclude<By, 'credential'>; value: string };

function said(request: Request): Said[] {
  const slug = subdomainOf(request);
  const header = once(request.headersDistinct['x-tenant'], 'X-Tenant', 'X-Tenant');
  const query = once([request.query.tenant ?? []].flat(), '?tenant=', '?tenant');
  return [
    ...(slug === undefined ? [] : [{ by: 'host' as const, value: slug }]),
    ...(header === undefined ? [] : [{ by: 'header' as const, value: header }]),
    ...(query === undefined ? [] : [{ by: 'query' as const, value: query }]),
  ];
}

/** Two readers of one request must not come to name two tenants: what is said twice is not guessed at. */
function once(values: unknown[] = [], what: string, pointer: string): string | undefined {
  const [value] = values;
  if (values.length === 0) return undefined;
  if (values.length === 1 && typeof value === 'string') return value;
  throw new Refusal('invalid-request', `Say ${what} once.`, {
    errors: [{ pointer, code: 'said-twice', detail: 'must stand here once' }],
  });
}

async function resolve(request: Request, { by, value }: Said): Promise<Signal> {
  if (by !== 'host' && isTenantId(value)) return { by, value, tenantId: value, former: false };
  const slug = value.toLowerCase();
  const address =
    by === 'host'
      ? await hostAddress(request, slug)
      : slugFaults(slug).length > 0
        ? undefined
        : await addressOf(slug);
  return {
    by,
    value,
    tenantId: address?.tenantId,
    slug: address?.slug,
    former: address !== undefined && !address.current,
  };
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Where the tenant lives, if it is served here; a tenant of another region is sent to that region's host. */
export async function servedPlace(tenantId: string): Promise<Place | undefined> {
  const place = await placeOf(tenantId);
  const servedAt = place && tenantId !== systemTenantId ? servedElsewhere(place.region) : undefined;
  if (!servedAt) return place;
  throw new Refusal('misdirected', `This organisation is served at ${servedAt}.`, { extra: { servedAt } });
}

/** The address of a region that this process does not serve. */
export function servedElsewhere(region: string): string | undefined {
  if (config().serves.includes(region)) return undefined;
  return config().regions.find((each) => each.name === region)?.publicUrl;
}
