import { authorizeActivity } from '../activities/authorize.ts';
import { type Activities, declarations } from '../activities/index.ts';
import { readInSystem } from '../models/scope.ts';
import { operationById } from '../models/system/operation.ts';
import { placeOf } from '../models/system/tenant.ts';
import { isEnded, operationStates } from '../policies/operation.ts';
import type { WorkerParts } from './worker.ts';

/** The real activities behind the real wall. */
const isActivity = (name: string): name is keyof Activities => name in declarations;

export const production: WorkerParts = {
  activities: Object.fromEntries(Object.entries(declarations).map(([name, { run }]) => [name, run])),
  guard: {
    permitOf: (name) => (isActivity(name) ? declarations[name].permit : undefined),
    authorize: authorizeActivity,
    regionOf: async (tenantId) => (await placeOf(tenantId))?.region,
    async hasEnded(operationId) {
      const [rows] = await readInSystem('platform', [operationById(operationId)]);
      const state = operationStates.find((each) => each === rows?.[0]?.state);
      return state !== undefined && isEnded(state);
    },
  },
};
