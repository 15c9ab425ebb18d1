import assert from 'node:assert/strict';
import { useConfig } from '../../models/databases.ts';
import { schemaOf } from '../../models/ids.ts';
import { endsWith, handedOn, staysAsItWas } from '../../models/tenant/removal.ts';
import { asked, filledTenant } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';

describe('removing a person', () => {
  it('R4.1 hands on or ends whatever can belong to one', async () => {
    useConfig(await ownConfig());
    const { tenantId } = await filledTenant(1);
    const rows = await asked<{ table_name: string }>(
      `SELECT table_name FROM information_schema.columns
       WHERE table_schema = $1 AND column_name = 'owner_id' ORDER BY table_name`,
      [schemaOf(tenantId)],
    );
    assert.deepEqual(
      rows.map((row) => row.table_name),
      [...handedOn, ...endsWith, ...staysAsItWas].toSorted(),
    );
  });
});
