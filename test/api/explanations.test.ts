import assert from 'node:assert/strict';
import { auditInTenant } from '../../models/audit.ts';
import { newId } from '../../models/ids.ts';
import { within } from '../support/keys.ts';
import { type KeyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';

type Simulation = {
  allowed: boolean;
  visible: boolean;
  answer: string;
  decidedBy: { role: string; rule: { effect: string } } | null;
  inputs: { own: boolean };
  hiddenFields: string[];
};
type Explanation = {
  rule: string;
  code: string;
  inputs: Record<string, unknown> | null;
  roles: string[];
  subject: { type: string; id: string | null };
  changeableBy: { roles: string[]; people: { name: string }[] };
};

describe('asking why', () => {
  let acme: Member;
  let agentId: string;
  let frozen: string;

  before(async () => {
    useSharedModels();
    acme = await member();
    const agent = { name: freshSlug('agent'), model: 'demo', environment: 'production' };
    agentId = (await acme.call<{ id: string }>('POST', '/v1/agents', agent)).body.id;
    frozen = freshSlug('freeze');
    const production = { environment: { any: ['production'] } };
    const rules = [
      { effect: 'deny', action: 'update', subject: 'Agent', when: production },
      { effect: 'deny', action: 'read', subject: 'Agent', fields: ['instructions'] },
    ];
    const made = await acme.call('POST', '/v1/roles', { name: frozen, title: 'Freeze', rules });
    assert.equal(made.status, 201, made.text);
  });

  const someone = async (...roles: string[]): Promise<KeyHolder> => {
    const person = await signedInPerson(acme.tenant.id);
    for (const role of roles) await acme.call('PUT', `/v1/users/${person.id}/roles/${role}`);
    return person;
  };
  const simulate = async (principalId: string, action: string, subject: object): Promise<Simulation> => {
    const body = { principalId, action, subject };
    const reply = await acme.call<Simulation>('POST', '/v1/permissions/simulations', body);
    assert.equal(reply.status, 200, reply.text);
    return reply.body;
  };
  const refusedAt = async (as: KeyHolder, id = agentId): Promise<string> => {
    const { status, headers } = await as.call('PATCH', `/v1/agents/${id}`, { description: 'x' });
    assert.ok(status === 403 || status === 404);
    return String(headers['x-request-id']);
  };
  const explained = (as: Pick<Member, 'call'>, requestId: string) =>
    as.call<Explanation>('GET', `/v1/explanations/${requestId}`);

  it('R4.3 beforehand: a simulation answers as the request would, with the rule and the role it came from', async () => {
    const person = await someone('builder', frozen);
    const update = await simulate(person.id, 'update', { type: 'Agent', id: agentId });
    assert.deepEqual([update.allowed, update.visible], [false, true]);
    assert.deepEqual([update.decidedBy?.role, update.decidedBy?.rule.effect], [frozen, 'deny']);
    assert.deepEqual(update.hiddenFields, ['instructions']);
    const remove = await simulate(person.id, 'delete', { type: 'Agent', id: agentId });
    assert.deepEqual([remove.allowed, remove.decidedBy?.role], [true, 'builder']);
    const elsewhere = await simulate(person.id, 'update', {
      type: 'Agent',
      object: { environment: 'staging' },
    });
    assert.equal(elsewhere.allowed, true);
    const own = await simulate(person.id, 'revoke', { type: 'ApiKey', object: { ownerId: person.id } });
    assert.deepEqual([own.allowed, own.inputs.own], [true, true]);
    const none = await simulate(person.id, 'create', { type: 'Role' });
    assert.deepEqual(
      [none.allowed, none.decidedBy, none.answer],
      [false, null, 'no role allows create Role'],
    );
  });

  it('R4.3 of what is not there is answered with what to give instead', async () => {
    const ask = (body: object) => acme.call<{ detail: string }>('POST', '/v1/permissions/simulations', body);
    const person = await someone();
    const wrong = [
      { principalId: newId('usr'), action: 'read', subject: { type: 'Agent' } },
      { principalId: person.id, action: 'read', subject: { type: 'Agent', id: newId('agt') } },
      { principalId: person.id, action: 'read', subject: { type: 'Role', id: 'owner' } },
    ];
    for (const body of wrong) assert.equal((await ask(body)).status, 422);
  });

  it('R4.5 afterwards: rule, inputs, roles and who can change it, for whoever was refused', async () => {
    const person = await someone('viewer', 'builder', frozen);
    const refusal = await person.call<{ explanation: string }>('PATCH', `/v1/agents/${agentId}`, {
      model: 'x',
    });
    const reply = await person.call<Explanation>('GET', refusal.body.explanation);
    assert.equal(reply.status, 200, reply.text);
    assert.equal(reply.body.rule, `${frozen} may not update Agent in production`);
    assert.equal(reply.body.code, 'forbidden');
    assert.equal(reply.body.inputs?.environment, 'production');
    assert.deepEqual(reply.body.roles.toSorted(), ['builder', frozen, 'viewer'].toSorted());
    assert.deepEqual(reply.body.changeableBy.roles, ['owner', 'admin']);
    assert.ok(reply.body.changeableBy.people.some(({ name }) => name === 'Ada Admin'));
  });

  it('R4.5 is for those who may know: the refused, and overseers; to others and elsewhere there is nothing', async () => {
    const person = await someone('viewer');
    const requestId = await refusedAt(person);
    const auditor = await someone('auditor');
    assert.equal((await explained(auditor, requestId)).status, 200);
    assert.equal((await explained(acme, requestId)).status, 200);
    assert.equal((await explained(await someone('builder'), requestId)).status, 404);
    const globex = await member();
    assert.equal((await explained(globex, requestId)).status, 404);
  });

  it('R4.5 tells the refused nothing of what is hidden from them: as if it were not there', async () => {
    const person = await someone('billing');
    const there = await explained(person, await refusedAt(person, agentId));
    const nowhere = await explained(person, await refusedAt(person, newId('agt')));
    assert.equal(there.status, 200);
    assert.deepEqual([there.body.subject.id, there.body.inputs], [null, null]);
    const { requestId: _a, at: _b, ...one } = there.body as Explanation & { requestId: string; at: string };
    const {
      requestId: _c,
      at: _d,
      ...other
    } = nowhere.body as typeof there.body & { requestId: string; at: string };
    assert.deepEqual(one, other);
    const { headers } = await person.call('PATCH', `/v1/agents/${agentId}`, { description: 'x' });
    const seen = await explained(acme, String(headers['x-request-id']));
    assert.equal(seen.body.subject.id, agentId);
  });

  it('R4.5 is one’s own, whoever else calls their request the same', async () => {
    const [one, other] = [await someone('viewer'), await someone('viewer')];
    const requestId = freshSlug('request');
    for (const as of [one, other, acme])
      await as.call(
        'PATCH',
        `/v1/agents/${newId('agt')}`,
        { model: as.token },
        { 'x-request-id': requestId },
      );
    const seenBy = async (as: KeyHolder) =>
      (await explained(as, requestId)).body as Explanation & { principalId: string };
    for (const as of [one, other]) assert.equal((await seenBy(as)).principalId, as.id);
    assert.equal((await explained(await someone('builder'), requestId)).status, 404);
    assert.equal((await explained(await someone('auditor'), requestId)).status, 200);
  });

  it('R1.5 of a path that holds what Postgres cannot keep is there as well, and so is any such text', async () => {
    const person = await someone('admin');
    for (const [method, role] of [
      ['GET', 'a%00b'],
      ['DELETE', 'a%00b'],
      ['GET', '%ED%A0%80'],
    ] as const) {
      const { status } = await person.call(method, `/v1/roles/${role}`);
      assert.ok([400, 404].includes(status), `${method} ${role}`);
    }
    for (const method of ['PUT', 'DELETE']) {
      const { status, headers } = await person.call(method, `/v1/users/${person.id}/roles/owner%00`);
      assert.equal(status, 404);
      assert.equal((await explained(person, String(headers['x-request-id']))).status, 200);
    }
    const requestId = freshSlug('request');
    await within(acme.tenant.id, (sql) =>
      auditInTenant(sql, {
        actor: { kind: 'user', id: person.id, tenantId: acme.tenant.id },
        action: 'read Role',
        subject: { type: 'Role' },
        outcome: 'refused',
        rule: 'half \ud800',
        requestId,
        details: { code: 'not-found', detail: 'nul \0' },
      }),
    );
    const { body } = await explained(acme, requestId);
    assert.equal(body.rule, 'half \ufffd');
  });

  it('R4.5 knows refusals that are no question of rights as well', async () => {
    const name = freshSlug('twice');
    await acme.call('POST', '/v1/agents', { name, model: 'demo' });
    const { headers, status } = await acme.call('POST', '/v1/agents', { name, model: 'demo' });
    assert.equal(status, 409);
    const reply = await explained(acme, String(headers['x-request-id']));
    assert.deepEqual([reply.status, reply.body.code], [200, 'conflict']);
    assert.match(reply.body.rule, /already an agent called/);
  });
});
