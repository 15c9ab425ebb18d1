import { withEquipment } from './equipment.ts';
import { schemaLines } from './provision-schema.ts';
import { wholeLines } from './provision-whole.ts';
import { report } from './table.ts';

/** Making a tenant: its schema alone, at growing numbers of tenants, and the whole way from POST to active. */
export function benchProvision(asked: { sizes: number[]; repetitions: number }): Promise<boolean> {
  return withEquipment(async (bench) => {
    const whole = await report('provision-whole', await wholeLines(bench, asked.repetitions));
    const schema = await report('provision-schema', await schemaLines(asked), { sizes: asked.sizes });
    return whole && schema;
  });
}
