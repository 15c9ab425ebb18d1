import assert from 'node:assert/strict';
import { signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

type Answer = { detail: string; errors?: { pointer: string; detail: string }[] };

describe('separation of duty', () => {
  let acme: Member;

  before(async () => {
    useSharedModels();
    acme = await member();
  });

  it('R4.3 keeps two roles from one person, in whichever order they are given', async () => {
    const someone = await signedInPerson(acme.tenant.id);
    const give = (role: string) => acme.call<Answer>('PUT', `/v1/users/${someone.id}/roles/${role}`);
    const separation = { name: 'Maker and checker', roles: ['builder', 'auditor', 'billing'] };
    const { status, body } = await acme.call<{ id: string }>('POST', '/v1/duty-separations', separation);
    assert.equal(status, 201);
    assert.equal((await give('builder')).status, 200);
    assert.equal((await give('viewer')).status, 200);
    const both = await give('auditor');
    assert.equal(both.status, 409);
    assert.match(both.body.detail, /“Maker and checker” keeps/);
    assert.equal((await acme.call('DELETE', `/v1/duty-separations/${body.id}`)).status, 204);
    assert.equal((await give('auditor')).status, 200);
    const late = await acme.call<Answer>('POST', '/v1/duty-separations', separation);
    assert.equal(late.status, 409);
    assert.match(late.body.detail, new RegExp(someone.id));
  });

  it('R4.3 holds when both roles are given at the same moment, whatever comes first', async () => {
    await acme.call('POST', '/v1/duty-separations', { name: 'Either', roles: ['operator', 'billing'] });
    for (let round = 0; round < 5; round++) {
      const someone = await signedInPerson(acme.tenant.id);
      const replies = await Promise.all(
        ['operator', 'billing'].map((role) => acme.call('PUT', `/v1/users/${someone.id}/roles/${role}`)),
      );
      assert.deepEqual(replies.map((reply) => reply.status).sort(), [200, 409]);
    }
  });

  it('R4.3 names roles that there are', async () => {
    const reply = await acme.call<Answer>('POST', '/v1/duty-separations', {
      name: 'x',
      roles: ['owner', 'king'],
    });
    assert.equal(reply.status, 422);
    assert.deepEqual(
      reply.body.errors?.map(({ pointer }) => pointer),
      ['/roles/1'],
    );
  });
});
