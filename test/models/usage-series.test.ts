import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { beyondSeries } from '../../models/tenant/usage-series.ts';
import { takeReadings } from '../../models/tenant/usage-taking.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';
import { reading } from '../support/usage.ts';

describe('series of readings that others report', () => {
  let acme: Member;
  before(async () => {
    useSharedModels();
    acme = await member();
  });

  it('R5.1 are no more than so many, while those that are known are taken as before', async () => {
    const place = await placed(acme.tenant.id);
    const of = (model: string) => reading({ meter: 'tokens.input', model });
    await inTenant(place, ({ sql }) => takeReadings(sql, [of('known')]));
    await inTenant(place, async ({ sql }) => {
      const [row] = await sql<{ count: number }>('SELECT count(*)::int AS count FROM usage_series');
      const asked = [of('first'), of('known'), of('second'), of('first'), of('third')];
      const beyond = (room: number) => beyondSeries(sql, asked, (row?.count ?? 0) + room);
      assert.deepEqual([...(await beyond(1))], [2, 4]);
      assert.deepEqual([...(await beyond(0))], [0, 2, 3, 4]);
      assert.deepEqual([...(await beyond(-5))], [0, 2, 3, 4]);
      assert.deepEqual([...(await beyond(3))], []);
    });
  });
});
