import { actAs } from './acting.ts';
import { forGood } from './effects.ts';

/** Wraps every tenant's key under the root key that wraps now. How far it is stands beside the keys themselves. */
export async function rotateRootKey(): Promise<void> {
  await actAs({ principal: { kind: 'system', id: 'system:rotate-root-key' } }, async () => {
    for (let done = false; !done; ) done = (await forGood.rewrapKeys()).done;
  });
}
