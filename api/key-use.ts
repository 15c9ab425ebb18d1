import { LRUCache } from 'lru-cache';
import { inTenant } from '../models/scope.ts';
import { placeOf } from '../models/system/tenant.ts';
import { noteKeyUse } from '../models/tenant/api-key.ts';
import type { Incoming } from './route.ts';

/** Keys whose use this process wrote down within the last minute. */
const noted = new LRUCache<string, true>({ max: 10_000, ttl: 60_000 });

/** Writes down that a key was used, once the caller has their answer: it is there to find keys nobody needs. */
export async function noteUse({ known, log }: Incoming): Promise<void> {
  const { principal } = known ?? {};
  if (principal?.kind !== 'api-key' || noted.has(principal.id)) return;
  noted.set(principal.id, true);
  try {
    const place = await placeOf(principal.tenantId);
    if (place) await inTenant(place, ({ sql }) => noteKeyUse(sql, principal.id));
  } catch (error) {
    log.warn({ keyId: principal.id, error: String(error) }, 'the use of a key was not written down');
  }
}
