import { setTimeout as pause } from 'node:timers/promises';
import { forgetKeys } from '../../models/key-cache.ts';
import { keyringOf } from '../../models/keyring.ts';
import type { Place } from '../../models/scope.ts';

/** A new version seals only once every process has to know it; a test that waits in vain ends by its own timeout. */
export async function untilSealedUnder(place: Place, version: number): Promise<void> {
  while ((await keyringOf(place)).version() < version) {
    await pause(100);
    forgetKeys(place.tenantId);
  }
}
