import assert from 'node:assert/strict';
import { callerOf } from '../support/client.ts';
import { made } from '../support/keys.ts';
import { useSharedModels } from '../support/people.ts';
import { enrol, signIn } from '../support/sign-in.ts';
import { member, password } from '../support/tenants.ts';

type Page = { items: { id: string }[] };

/** Password, second factor and sessions, and who may lay hands on those of a person. */
describe('ways in', () => {
  before(() => useSharedModels());

  it('R4.1 R4.4 are not taken away by a key of their own person', async () => {
    const acme = await member();
    const { token } = await enrol(acme);
    const session = callerOf(token);
    const key = await made(session);
    const { items } = (await session.call<Page>('GET', '/v1/me/sessions')).body;
    const { body: me } = await session.call<{ id: string }>('GET', '/v1/me');
    for (const [method, path, body] of [
      ['DELETE', `/v1/users/${me.id}/second-factor`],
      ['DELETE', '/v1/me/second-factor', { currentPassword: password }],
      ['POST', '/v1/me/password', { currentPassword: password, newPassword: 'violet trombone escalator' }],
      ['POST', `/v1/users/${me.id}/password-reset`],
      ['DELETE', `/v1/me/sessions/${items[0]?.id}`],
      ['DELETE', '/v1/me/sessions'],
      ['DELETE', `/v1/users/${me.id}/sessions`],
    ] as const)
      assert.equal((await key.call(method, path, body)).status, 409, path);
    assert.equal((await session.call('GET', '/v1/me')).status, 200);
    assert.equal((await signIn(acme.tenant, acme)).body.code, 'second-factor-required');
  });
});
