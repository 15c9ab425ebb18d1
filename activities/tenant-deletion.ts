import { auditInSystem } from '../models/audit.ts';
import { inSystem } from '../models/scope.ts';
import { cancelErrands } from '../models/system/errand.ts';
import { forgetPlace, holdAddress, releasePlace } from '../models/system/tenant.ts';
import { unlistTenant } from '../models/system/workspace.ts';
import { activity, type Close, type Step } from './activity.ts';
import { end } from './ending.ts';
import type { Certificate } from './tenant-schema.ts';

/** A deletion's first and last word; what is destroyed in between is in tenant-schema.ts. */
export type Announcing = Step & { due: string };

export const announceDeletion = activity(
  ['delete', 'Tenant'],
  async ({ tenantId, operationId, due }: Announcing, by, requestId) => {
    await inSystem('platform', async (system) => {
      const tenant = await system.Tenant.findByPk(tenantId, { rejectOnEmpty: true });
      if (tenant.state === 'deleting') return;
      const operation = await system.Operation.findByPk(operationId, { rejectOnEmpty: true });
      const notBefore = operation.createdAt.getTime() + Number(operation.input.graceSeconds ?? 0) * 1000;
      // What was asked for stands in the row; the workflow may only be later.
      const deletionDue = new Date(Math.max(Date.parse(due), notBefore));
      const before = { state: tenant.state };
      await tenant.update({
        state: 'deleting',
        deletionDue,
        version: tenant.version + 1,
        updatedAt: new Date(),
      });
      await auditInSystem(
        system.sql,
        {
          actor: by,
          action: 'announce deletion',
          subject: { type: 'Tenant', id: tenantId },
          outcome: 'done',
          requestId,
          operationId,
          before,
          after: { state: 'deleting' },
          details: { due: deletionDue.toISOString() },
        },
        tenantId,
      );
    });
  },
);

export type Burying = Close & { certificate: Certificate };

/** What stays of a deleted tenant: a row that says so and proves what is gone. Its address is held back for a time. */
export const buryTenant = activity(['delete', 'Tenant'], async (burying: Burying, by) => {
  const { certificate, tenantId } = burying;
  await end({
    close: burying,
    by,
    outcome: 'succeeded',
    change: { state: 'deleted', deletionDue: null, tombstone: certificate },
    result: { certificate },
    also: async (system, tenant) => {
      await cancelErrands(system, tenantId);
      await holdAddress(system, tenant.slug);
      await releasePlace(system, tenant);
      await unlistTenant(system, tenantId);
    },
  });
  forgetPlace(tenantId);
});
