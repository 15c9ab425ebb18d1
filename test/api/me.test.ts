import assert from 'node:assert/strict';
import { keyHolder, useSharedModels } from '../support/people.ts';
import { member } from '../support/tenants.ts';
import { detailsIn } from '../support/trail.ts';

describe('one’s own profile', () => {
  before(() => useSharedModels());

  it('R4.2 shows and takes a name of one’s own, and tells the trail', async () => {
    const acme = await member();
    const changed = await acme.call<{ name: string }>('PATCH', '/v1/me', { name: 'Augusta Ada' });
    assert.equal(changed.body.name, 'Augusta Ada');
    assert.equal((await acme.call<{ name: string }>('GET', '/v1/me')).body.name, 'Augusta Ada');
    const [details] = await detailsIn(acme.tenant.id, "action = 'update User'");
    assert.deepEqual(details, { before: { name: 'Ada Admin' }, after: { name: 'Augusta Ada' } });
    const key = await keyHolder(acme.tenant.id, 'owner');
    assert.equal((await key.call('PATCH', '/v1/me', { name: 'A Key' })).status, 409);
    assert.equal((await key.call<{ session: unknown }>('GET', '/v1/me')).body.session, null);
  });
});
