import { forward } from '../../../workflows/effects.ts';
import { orUndo } from '../../../workflows/undo.ts';

/** A version with a bug in it, and after it the version that mends it. */
export async function work(step: { tenantId: string; operationId: string }): Promise<void> {
  await orUndo(
    async (undo) => {
      undo(() => forward.removeTenantSchema(step));
      await forward.ensureTenantSchema(step);
      throw new TypeError('a bug');
    },
    () => forward.failTenant({ ...step, steps: [], reason: '', cancelled: false }),
  );
}
