import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { reconcileDay } from '../../models/tenant/usage-reconciliation.ts';
import { takeReadings } from '../../models/tenant/usage-taking.ts';
import { operator } from '../support/client.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

type Listed = { items: { id: string; day: string; drifts: { check: string }[] }[] };

describe('what operators see of drifts', () => {
  let acme: Member;
  before(async () => {
    useSharedModels();
    acme = await member();
  });

  it('R5.1 R5.5 is what differs, and not how to mend it', async () => {
    const place = await placed(acme.tenant.id);
    const at = new Date();
    const today = at.toISOString().slice(0, 10);
    await inTenant(place, async ({ sql }) => {
      await takeReadings(sql, [{ source: 'test', id: 'one', meter: 'tool-calls', value: 1, at }]);
      await sql('UPDATE usage_hours SET value = value + 1');
    });
    await reconcileDay(place, today);
    const path = `/v1/tenants/${acme.tenant.id}/usage/reconciliations`;
    const { status, body } = await operator().call<Listed>('GET', path);
    assert.equal(status, 200);
    const [{ id, day, drifts = [] } = {}] = body.items;
    assert.equal(day, today);
    assert.ok(drifts.some(({ check }) => check === 'hours'));
    const repair = { reason: 'not ours' };
    const tried = await operator().call('POST', `/v1/usage/reconciliations/${id}/repairs`, repair);
    assert.equal(tried.status, 404);
  });
});
