import { z } from 'zod';
import { authorizeActivity } from '../activities/authorize.ts';
import { type Activities, declarations } from '../activities/index.ts';
import { readInSystem } from '../models/scope.ts';
import { operationById } from '../models/system/operation.ts';
import { placeOf } from '../models/system/tenant.ts';
import { operationKinds, operationStates } from '../policies/operation.ts';
import { runAsked } from './run-asked.ts';
import type { WorkerParts } from './worker.ts';

/** The real activities behind the real wall. */
const isActivity = (name: string): name is keyof Activities => name in declarations;

const operationRow = z.object({
  tenant_id: z.string(),
  kind: z.enum(operationKinds),
  state: z.enum(operationStates),
  principal: z.object({ id: z.string() }),
  request_id: z.string().nullable(),
});

export const production: WorkerParts = {
  activities: Object.fromEntries(Object.entries(declarations).map(([name, { run }]) => [name, run])),
  guard: {
    permitOf: (name) => (isActivity(name) ? declarations[name].permit : undefined),
    authorize: authorizeActivity,
    runOf: runAsked,
    regionOf: async (tenantId) => (await placeOf(tenantId))?.region,
    async operationOf(operationId) {
      const [rows] = await readInSystem('platform', [operationById(operationId)]);
      if (!rows?.[0]) return undefined;
      const { tenant_id: tenantId, kind, state, principal, request_id } = operationRow.parse(rows[0]);
      return { tenantId, kind, state, askedBy: principal.id, requestId: request_id ?? undefined };
    },
  },
};
