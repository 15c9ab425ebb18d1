import { config } from '../models/databases.ts';
import { forgetKeys } from '../models/key-cache.ts';
import { addKeyVersion as addVersion } from '../models/key-change.ts';
import { resealFor } from '../models/resealing.ts';
import { rewrapUnderRoot } from '../models/root-rotation.ts';
import { keyRows, knownAfterSeconds } from '../models/tenant-key.ts';
import { activity, type Close, placeFor, type Step } from './activity.ts';
import { closeErrand } from './errand.ts';
import { heavily } from './heavy.ts';

/** The steps of a rotation: of a tenant's key, and of the root key above all of them. */
export type Added = { version: number; knownAfterSeconds: number };

/** By the time it says, every process seals under the new version: it has to be known first, and then be noticed. */
export const addKeyVersion = activity(
  ['rotate', 'EncryptionKey'],
  async ({ tenantId, operationId }: Step): Promise<Added> => {
    const version = await addVersion(await placeFor(tenantId), operationId);
    return { version, knownAfterSeconds: knownAfterSeconds() + config().kms.cacheSeconds };
  },
);

/** As much as fits well into one attempt; a large tenant takes several. */
const stretchMs = 45_000;

export const resealColumns = activity(
  ['rotate', 'EncryptionKey'],
  async ({ tenantId, operationId }: Step) => {
    const place = await placeFor(tenantId);
    // Destroyed meanwhile, with all that was sealed under it: there is nothing left to do.
    if (!(await keyRows(place.cell, [tenantId])).has(tenantId)) return { resealed: 0, done: true };
    forgetKeys(tenantId);
    const work = { region: place.region, tenantId, work: 'resealing', holder: operationId };
    return heavily(work, (insist) => resealFor(place, stretchMs, insist));
  },
);

export type ClosingRotation = Close & { version: number };

export const closeKeyRotation = activity(
  ['rotate', 'EncryptionKey'],
  async ({ version, ...close }: ClosingRotation, by) => {
    const subject = { type: 'EncryptionKey', id: close.tenantId };
    await closeErrand({ close, by, state: 'succeeded', subject, result: { version: String(version) } });
  },
);

export type AbandoningRotation = Close & { outcome: 'failed' | 'cancelled'; reason: string };

/** A version that was added stays, for something may be sealed under it; the older ones open as before. */
export const abandonKeyRotation = activity(
  ['rotate', 'EncryptionKey'],
  async ({ outcome, reason, ...close }: AbandoningRotation, by) => {
    const subject = { type: 'EncryptionKey', id: close.tenantId };
    await closeErrand({ close, by, state: outcome, subject, reason });
  },
);

/** As many as fit into one attempt. */
export const rewrapKeys = activity(['rotate', 'RootKey'], async () => {
  const cells = config().regions.flatMap((region) => region.cells);
  for (const { name } of cells) {
    const { done } = await rewrapUnderRoot(name, stretchMs);
    if (!done) return { done };
  }
  return { done: true };
});
