import { z } from 'zod';
import { rootKeyUses } from '../../models/key-facts.ts';
import { rootKey, rootKeys } from '../../models/kms/root-key.ts';
import { startRootRotation } from '../../temporal/start-root-rotation.ts';
import { platformRead, platformWrite } from '../platform-route.ts';
import { dryRun } from '../shapes.ts';

/** What wraps every tenant's key. Which root keys there are is configuration (docs/keys.md); moving to one is asked here. */
const tag = 'Root key';

const shown = z
  .object({
    wrapping: z.string().meta({ description: 'The root key that wraps now.' }),
    rootKeys: z.array(
      z.object({
        name: z.string(),
        given: z.boolean().meta({ description: 'Whether this process was given it.' }),
        keys: z.int().meta({ description: 'Tenant keys wrapped under it.' }),
      }),
    ),
    percent: z.int().meta({ description: 'Of all tenant keys, those under the one that wraps now.' }),
  })
  .meta({ id: 'RootKey' });

export const readRootKey = platformRead({
  method: 'get',
  path: '/root-key',
  tag,
  summary: 'Under which root keys the tenants’ keys are, and how far a rotation is',
  permit: ['read', 'RootKey'],
  answers: { 200: shown },
  handle: async () => ({ status: 200, body: await shownRootKey() }),
});

export const rotateRootKey = platformWrite({
  method: 'post',
  path: '/root-key-rotations',
  tag,
  summary: 'Wrap every tenant’s key under the root key that wraps now; how far it is: GET /v1/root-key',
  permit: ['rotate', 'RootKey'],
  query: z.strictObject({ dryRun }),
  answers: { 200: shown, 202: shown },
  handle: async ({ query, requestId }) => {
    const body = await shownRootKey();
    if (query.dryRun) return { status: 200, body, unchanged: true };
    return {
      status: 202,
      body,
      headers: { Location: '/v1/root-key' },
      audit: { after: body },
      afterCommit: () => startRootRotation(requestId),
    };
  },
});

async function shownRootKey() {
  const given = rootKeys().map(({ name }) => name);
  const uses = await rootKeyUses(given.at(-1) ?? '');
  const { name: wrapping } = rootKey();
  const names = [...new Set([...given, ...uses.map(({ name }) => name)])];
  const keysUnder = (name: string) => uses.find((use) => use.name === name)?.keys ?? 0;
  const all = uses.reduce((total, { keys }) => total + keys, 0);
  return {
    wrapping,
    rootKeys: names.map((name) => ({ name, given: given.includes(name), keys: keysUnder(name) })),
    percent: Math.floor((100 * keysUnder(wrapping)) / Math.max(all, 1)),
  };
}
