import { schemaOf } from '../models/ids.ts';
import { readInSystem } from '../models/scope.ts';
import { mirroredRequests } from '../models/system/quota-request.ts';
import { forgetMirror, mirroredDays } from '../models/system/usage-mirror.ts';
import {
  destroyTenantKey as destroyKey,
  ensureTenantKey as ensureKey,
  keyFingerprints,
} from '../models/tenant-key.ts';
import {
  ensureTenantSchema as ensureSchema,
  type Remains,
  remainsOf,
  removeTenantSchema as removeSchema,
} from '../models/tenant-schema.ts';
import { Refusal } from '../policies/refusal.ts';
import { activity, placeFor, type Step } from './activity.ts';
import { endRuns } from './run/everyone.ts';
import { removeRunSchedules } from './run/schedule.ts';

export const ensureTenantSchema = activity(['create', 'Tenant'], async ({ tenantId, operationId }: Step) => {
  await ensureSchema(await placeFor(tenantId), operationId);
});

export const removeTenantSchema = activity(['delete', 'Tenant'], async ({ tenantId, operationId }: Step) => {
  await insistErasable(tenantId);
  await removeSchema(await placeFor(tenantId), operationId);
  await forgetMirror(tenantId);
});

export const ensureTenantKey = activity(['create', 'Tenant'], async ({ tenantId, operationId }: Step) => {
  await ensureKey(await placeFor(tenantId), operationId);
});

export const destroyTenantKey = activity(['delete', 'Tenant'], async ({ tenantId, operationId }: Step) => {
  await insistErasable(tenantId);
  const place = await placeFor(tenantId);
  // Without the key no worker could bring them to an end. When an erasure is done again, they may be gone by now.
  if ((await remainsOf(place)).schemas > 0) {
    await removeRunSchedules(place);
    await endRuns(place);
  }
  await destroyKey(place, operationId);
});

/**
 * Whatever the workflow says, nothing is destroyed of a tenant that was ever open before the time that stands in its
 * row. Too early is a failure, not a refusal: tried again, it becomes right by itself.
 */
async function insistErasable(tenantId: string): Promise<void> {
  const [rows] = await readInSystem(tenantId, [
    {
      text: "SELECT state, deletion_due <= now() + interval '2 seconds' AS due FROM tenants WHERE id = $1",
      values: [tenantId],
    },
  ]);
  const { state, due } = rows?.[0] ?? {};
  if (state === 'provisioning' || state === 'failed' || state === 'deleted') return;
  if (state !== 'deleting') throw new Refusal('conflict', `A tenant that is ${state} is not destroyed.`);
  if (!due) throw new Error('the grace period is not over');
}

/** Says what is gone, after looking for it. */
export type Certificate = {
  tenantId: string;
  schema: string;
  keyFingerprints: string[];
  checkedAt: string;
  remains: Remains & { mirroredDays: number; mirroredRequests: number };
};

export const verifyErased = activity(
  ['delete', 'Tenant'],
  async ({ tenantId }: Step): Promise<Certificate> => {
    const place = await placeFor(tenantId);
    const remains = {
      ...(await remainsOf(place)),
      mirroredDays: await mirroredDays(tenantId),
      mirroredRequests: await mirroredRequests(tenantId),
    };
    if (Object.values(remains).some((count) => count > 0)) {
      throw new Refusal('conflict', `Something of the tenant is still there: ${JSON.stringify(remains)}.`);
    }
    return {
      tenantId,
      schema: schemaOf(tenantId),
      keyFingerprints: await keyFingerprints(place),
      checkedAt: new Date().toISOString(),
      remains,
    };
  },
);
