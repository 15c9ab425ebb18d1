import { forward } from '../../../workflows/effects.ts';
import { orUndo } from '../../../workflows/undo.ts';

export async function work(step: { tenantId: string; operationId: string }): Promise<void> {
  await orUndo(
    async (undo) => {
      undo(() => forward.removeTenantSchema(step));
      await forward.ensureTenantSchema(step);
    },
    () => forward.failTenant({ ...step, steps: [], reason: '', cancelled: false }),
  );
}
