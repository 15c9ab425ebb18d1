import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { systemAdministrator, useConfig } from '../../models/databases.ts';
import { migrate } from '../../models/migrate.ts';
import { ownConfig } from '../support/environment.ts';

const folder = (kind: string) => new URL(`../../models/migrations/${kind}/`, import.meta.url);

describe('migrations', () => {
  for (const kind of ['system', 'cell', 'tenant'])
    it(`R2.4 of the ${kind} have a number each, one after the other, so that there is one order to apply them in`, () => {
      const names = readdirSync(folder(kind)).sort();
      assert.deepEqual(
        names.map((name) => Number(name.split('-')[0])),
        names.map((_, at) => at + 1),
      );
    });

  it('R2.4 are known by the name they were applied under, though it is another today', async () => {
    useConfig(await ownConfig());
    const system = systemAdministrator();
    const renamed = await system.query(
      "UPDATE freehold_migrations SET name = '0004-usage.sql' WHERE name = '0005-usage.sql'",
    );
    assert.equal(renamed.rowCount, 1);
    const said: string[] = [];
    await migrate((done) => said.push(done));
    assert.ok(said.length > 0 && !said.some((each) => each.includes('.sql')), said.join('\n'));
  });
});
