import { LRUCache } from 'lru-cache';
import { inTenant } from '../models/scope.ts';
import { placeOf } from '../models/system/tenant.ts';
import { noteKeyUse } from '../models/tenant/api-key.ts';
import { noteNetwork } from '../models/tenant/key-network.ts';
import type { Incoming } from './route.ts';
import { networkOf } from './throttle.ts';

/** Keys whose use this process wrote down within the last minute. */
const noted = new LRUCache<string, true>({ max: 10_000, ttl: 60_000 });

/** And from which networks within the hour. */
const seen = new LRUCache<string, true>({ max: 50_000, ttl: 3_600_000 });

/** Writes down that a key was used, once the caller has their answer: to find keys nobody needs, and keys that leaked. */
export async function noteUse({ known, source, log }: Incoming): Promise<void> {
  const { principal } = known ?? {};
  if (principal?.kind !== 'api-key') return;
  const network = networkOf(source);
  const here = `${principal.id} ${network} ${new Date().toISOString().slice(0, 13)}`;
  const [used, came] = [!noted.has(principal.id), !seen.has(here)];
  if (!used && !came) return;
  noted.set(principal.id, true);
  seen.set(here, true);
  try {
    const place = await placeOf(principal.tenantId);
    if (!place) return;
    await inTenant(place, async ({ sql }) => {
      if (used) await noteKeyUse(sql, principal.id);
      if (came) await noteNetwork(sql, principal.id, network);
    });
  } catch (error) {
    log.warn({ keyId: principal.id, error: String(error) }, 'the use of a key was not written down');
  }
}
