import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import {
  type Changes,
  changeIntegration,
  credentialsOf,
  deleteIntegration,
  type Integration,
  integrationById,
  integrationToUse,
} from '../../models/tenant/integration.ts';
import { recordCheck } from '../../models/tenant/integration-health.ts';
import { noteUnverified } from '../../models/tenant/integration-state.ts';
import { refuseHeldWith } from '../../models/tenant/legal-hold.ts';
import { destinationOf } from '../../policies/integration.ts';
import { Refusal } from '../../policies/refusal.ts';
import {
  changeable,
  insistUnchanged,
  insistWorks,
  integration,
  parseGiven,
  presentIntegration,
  tried,
  validate,
} from '../integration.ts';
import { inUse, refuseWhileUsed } from '../integration-removal.ts';
import { etag } from '../present.ts';
import { requireVersion } from '../route.ts';
import { changesNothing, changing, dryRun, id } from '../shapes.ts';
import { tenantWrite } from '../tenant-route.ts';

import { present } from './integrations.ts';

const tag = 'Integrations';
const params = z.strictObject({ integrationId: id('int') });
const trying = z.strictObject({ validate, dryRun });

export const updateIntegration = tenantWrite({
  method: 'patch',
  path: '/integrations/:integrationId',
  tag,
  summary: 'Change an integration; what leads elsewhere needs its credential again, and is tried first',
  permit: ['update', 'Integration'],
  params,
  query: trying,
  body: changeable.refine(changing, changesNothing),
  answers: { 200: integration },
  load: ({ params: { integrationId }, tenantId }) => forUpdate(integrationById(tenantId, integrationId)),
  prepare: async ({ params: { integrationId }, body, query, place, principal, requestId }) => {
    const { changes, stored, moved, secrets } = await planned(place, integrationId, body);
    const { kind } = stored;
    const target = parseGiven(kind, changes);
    const found =
      query.validate && moved
        ? await tried({ place, principal, requestId, kind, target, credentials: secrets, id: integrationId })
        : undefined;
    if (found) insistWorks(found);
    return {
      changes: { ...changes, target },
      found,
      moved,
      from: stored.version,
      keyring: await keyringOf(place),
    };
  },
  handle: async ({
    tenant: { sql },
    tenantId,
    params: { integrationId },
    row,
    query,
    principal,
    prepared,
    ...call
  }) => {
    requireVersion(call, Number(row.version));
    const { changes, found, moved, from, keyring } = prepared;
    insistUnchanged(row, from);
    const before = presentIntegration(row);
    await changeIntegration(sql, keyring, integrationId, changes);
    if (found) await recordCheck(sql, integrationId, found, principal);
    else if (moved) await noteUnverified(sql, integrationId);
    const after = await present(sql, tenantId, integrationId);
    if (query.dryRun) return { status: 200, body: after, unchanged: true };
    return {
      status: 200,
      body: after,
      headers: etag(after.version),
      audit: { id: integrationId, before, after, details: { name: after.name, tried: found !== undefined } },
    };
  },
});

type Planned = {
  changes: Changes;
  stored: Integration;
  /** Whether it leads elsewhere, or opens otherwise: then it has to be tried. */
  moved: boolean;
  secrets: [string, ...string[]];
};

async function planned(place: Place, of: string, body: z.output<typeof changeable>): Promise<Planned> {
  const stored = await inTenant(place, ({ sql }) => integrationToUse(sql, of));
  if (!stored) throw new Refusal('not-found', 'There is no such integration.');
  const { name = stored.name, target = stored.target, credential } = body;
  const expiresAt =
    body.expiresAt === undefined ? (stored.expires_at?.toISOString() ?? null) : body.expiresAt;
  const parsed = parseGiven(stored.kind, { target, credential });
  const elsewhere = destinationOf(stored.kind, parsed) !== destinationOf(stored.kind, stored.target);
  if (elsewhere && credential === undefined) {
    const detail = 'must be given again when the address changes, for it would be sent there';
    throw new Refusal('invalid-request', 'Give the credential together with the new address.', {
      errors: [{ pointer: '/credential', code: 'missing', detail }],
    });
  }
  const secrets: Planned['secrets'] =
    credential === undefined ? credentialsOf(await keyringOf(place), stored) : [credential];
  const moved = body.target !== undefined || credential !== undefined;
  return { changes: { name, target: parsed, expiresAt, credential }, stored, moved, secrets };
}

export const removeIntegration = tenantWrite({
  method: 'delete',
  path: '/integrations/:integrationId',
  tag,
  summary: 'Disconnect another system; its credential is gone at once',
  permit: ['delete', 'Integration'],
  inTurn: true,
  params,
  query: z.strictObject({
    force: z.stringbool().default(false).meta({ description: 'Although agents or workflows use it.' }),
    dryRun,
  }),
  answers: { 204: null, 200: z.object({ inUseBy: z.array(z.string()) }) },
  load: ({ params: { integrationId }, tenantId }) => forUpdate(integrationById(tenantId, integrationId)),
  handle: async ({ tenant: { sql }, place, params: { integrationId }, query, row, ...call }) => {
    requireVersion(call, Number(row.version));
    const users = await inUse(sql, place, integrationId);
    if (query.dryRun) return { status: 200, body: { inUseBy: users.ids }, unchanged: true };
    if (!query.force) refuseWhileUsed(users);
    await refuseHeldWith(sql, 'integration', integrationId);
    await deleteIntegration(sql, integrationId);
    return {
      status: 204,
      audit: { id: integrationId, before: presentIntegration(row), details: { name: row.name } },
    };
  },
});
