import assert from 'node:assert/strict';
import { inSystem } from '../../models/scope.ts';
import { mirrorUsage } from '../../models/tenant/usage-mirroring.ts';
import { operator } from '../support/client.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { seedUsage } from '../support/seeded-meter.ts';
import { type Member, twoTenants } from '../support/tenants.ts';

type Sized = {
  tenants: number;
  items: {
    tenantId: string;
    missing: string[];
    proposed: { name: string; savingMinor: number } | null;
    idle: object[];
  }[];
};

describe('the plans of all organisations', () => {
  let acme: Member;
  let globex: Member;

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
    for (const { tenant } of [acme, globex]) await mirrorUsage(await placed(tenant.id));
  });

  const rightSizing = ({ tenant }: Member) =>
    operator().call<Sized>('GET', `/v1/platform/usage/right-sizing?tenantId=${tenant.id}`);

  it('R5.5 proposes the right plan for each, with the saving, and says what is idle', async () => {
    const month = (ago: number) => Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() - ago, 10);
    const place = await placed(acme.tenant.id);
    await seedUsage(
      place,
      [1, 2, 3].map((ago) => ({ meter: 'runs' as const, at: month(ago), value: 1 })),
    );
    // The mirror looks back no further than sums may change; a new one looks back over a year.
    await inSystem(acme.tenant.id, ({ sql }) => sql('DELETE FROM tenant_usage_mirrors'));
    await mirrorUsage(place);
    const { status, body, text } = await rightSizing(acme);
    assert.equal(status, 200, text);
    const [item] = body.items;
    assert.deepEqual(
      [item?.tenantId, item?.proposed?.name, item?.proposed?.savingMinor],
      [acme.tenant.id, 'free', 49_00],
    );
    assert.equal(item?.idle.length, 5);
    const { body: young } = await rightSizing(globex);
    assert.deepEqual([young.tenants, young.items[0]?.idle], [0, []]);
    assert.match(young.items[0]?.missing.join() ?? '', /One whole calendar month/);
  });
});
