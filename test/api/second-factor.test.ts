import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { callerOf, type Reply } from '../support/client.ts';
import { keyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { codeOf, earlyInStep, enrol, opened, type Problem, signIn } from '../support/sign-in.ts';
import { password as currentPassword, type Member, member } from '../support/tenants.ts';
import { detailsIn } from '../support/trail.ts';

const remove = (as: Pick<Member, 'call'>, proof: object) =>
  as.call<Problem>('DELETE', '/v1/me/second-factor', proof);
const codeFault = (reply: Reply<Problem>) => reply.body.errors?.map((each) => each.pointer);
const sqlIn = async (tenantId: string, text: string) =>
  inTenant(await placed(tenantId), ({ sql }) => sql<Record<string, unknown>>(text));

describe('the second factor', () => {
  before(() => useSharedModels());

  it('R4.1 is proposed, confirmed by a code, and shown as there', async () => {
    const acme = await member();
    const me = () => acme.call<{ secondFactor: boolean }>('GET', '/v1/me');
    const pending = await acme.call<{ secret: string; uri: string }>('POST', '/v1/me/second-factor', {
      currentPassword,
    });
    assert.match(pending.body.uri, /^otpauth:\/\/totp\/.*issuer=.*secret=/);
    assert.match(pending.body.uri, new RegExp(encodeURIComponent(acme.email)));
    assert.match(pending.body.secret, /^[A-Z2-7]{32}$/);
    // Pending is not there yet: neither shown nor asked for.
    assert.equal((await me()).body.secondFactor, false);
    assert.equal((await signIn(acme.tenant, acme)).status, 201);
    const wrong = await acme.call<Problem>('POST', '/v1/me/second-factor/confirmation', { code: '000000' });
    assert.equal(wrong.status, 400);
    assert.deepEqual(codeFault(wrong), ['/code']);
    const { recoveryCodes, token } = await enrol(acme);
    assert.equal(recoveryCodes.length, 10);
    assert.equal(new Set(recoveryCodes).size, 10);
    assert.equal((await me()).status, 401);
    const renewed = callerOf(token);
    assert.equal((await renewed.call<{ secondFactor: boolean }>('GET', '/v1/me')).body.secondFactor, true);
    assert.equal((await renewed.call('POST', '/v1/me/second-factor', { currentPassword })).status, 409);
  });

  it('R4.1 is asked for at sign-in, with a problem of its own, and only once the password was right', async () => {
    const acme = await member();
    const { uri } = await enrol(acme);
    const without = await signIn(acme.tenant, acme);
    assert.equal(without.status, 401);
    assert.equal(without.body.code, 'second-factor-required');
    const wrong = await signIn(acme.tenant, { ...acme, password: 'not the password' });
    assert.equal(wrong.body.code, 'unauthenticated');
    const badCode = await signIn(acme.tenant, { ...acme, code: '000000' });
    assert.equal(badCode.status, 401);
    assert.deepEqual(codeFault(badCode), ['/code']);
    assert.equal((await signIn(acme.tenant, { ...acme, code: codeOf(uri) })).status, 201);
  });

  it('R4.1 takes a code once, one step early or late, and none before the last', async () => {
    const acme = await member();
    // Confirming and all that follows within one step.
    await earlyInStep(10);
    const { uri } = await enrol(acme);
    const status = async (steps: number) =>
      (await signIn(acme.tenant, { ...acme, code: codeOf(uri, steps) })).status;
    assert.equal(await status(-1), 401, 'used to confirm');
    assert.equal(await status(3), 401, 'too far ahead');
    const both = await Promise.all([status(0), status(0)]);
    assert.deepEqual(both.sort(), [201, 401]);
    assert.equal(await status(1), 201);
    assert.equal(await status(0), 401, 'before the last');
    assert.equal(await status(1), 401, 'again');
  });

  it('R4.1 can be replaced by a recovery code, each of which is good once', async () => {
    const acme = await member();
    const { recoveryCodes } = await enrol(acme);
    const [first = '', second = ''] = recoveryCodes;
    const use = async (code: string) => (await signIn(acme.tenant, { ...acme, code })).status;
    assert.deepEqual((await Promise.all([use(first), use(first)])).sort(), [201, 401]);
    assert.equal(await use(second.toUpperCase()), 201);
    assert.equal(await use(second), 401);
  });

  it('R4.1 keeps neither secret nor recovery codes where they could be read', async () => {
    const acme = await member();
    const { uri, recoveryCodes } = await enrol(acme);
    const secret = /secret=([A-Z2-7]+)/.exec(uri)?.[1] ?? '';
    const rows = JSON.stringify([
      await sqlIn(acme.tenant.id, "SELECT encode(sealed, 'escape') AS sealed FROM second_factors"),
      await sqlIn(acme.tenant.id, 'SELECT * FROM recovery_codes'),
      await sqlIn(acme.tenant.id, 'SELECT * FROM idempotency_keys'),
      await sqlIn(acme.tenant.id, 'SELECT details FROM audit_events'),
    ]);
    for (const hidden of [secret, ...recoveryCodes]) assert.ok(!rows.includes(hidden));
  });

  it('R4.1 sealed for one person opens for no other', async () => {
    const acme = await member();
    await enrol(acme);
    const person = await signedInPerson(acme.tenant.id, 'viewer');
    await person.call('POST', '/v1/me/second-factor', { currentPassword });
    await sqlIn(
      acme.tenant.id,
      `UPDATE second_factors SET sealed = (SELECT sealed FROM second_factors WHERE user_id <> '${person.id}')
       WHERE user_id = '${person.id}' RETURNING 1`,
    );
    const reply = await person.call('POST', '/v1/me/second-factor/confirmation', { code: '000000' });
    assert.equal(reply.status, 500);
  });

  it('R4.1 counts a wrong code as a failed sign-in', async () => {
    const acme = await member();
    const { uri } = await enrol(acme);
    for (let tries = 0; tries < 10; tries++)
      assert.equal((await signIn(acme.tenant, { ...acme, code: '000000' })).status, 401);
    assert.equal((await signIn(acme.tenant, { ...acme, code: codeOf(uri) })).status, 429);
  });

  it('R4.1 is removed by whoever proves again who they are', async () => {
    const acme = await member();
    const { token, recoveryCodes } = await enrol(acme);
    const me = callerOf(token);
    assert.equal((await remove(me, {})).status, 400);
    assert.equal((await remove(me, { currentPassword: 'not the password' })).status, 400);
    assert.deepEqual(codeFault(await remove(me, { code: '000000' })), ['/code']);
    const done = await remove(me, { code: recoveryCodes[0] ?? '' });
    assert.equal(done.status, 204, done.text);
    assert.equal((await signIn(acme.tenant, acme)).status, 201);
    assert.equal((await sqlIn(acme.tenant.id, 'SELECT * FROM recovery_codes')).length, 0);
    const renewed = callerOf(String(done.headers['freehold-session']));
    assert.equal((await remove(renewed, { currentPassword })).status, 404);
  });

  it('R4.2 is taken away by an administrator from somebody who lost it, and their sessions end', async () => {
    const acme = await member();
    const person = await signedInPerson(acme.tenant.id, 'viewer');
    const path = `/v1/users/${person.id}/second-factor`;
    assert.equal((await acme.call('DELETE', path)).status, 409);
    const { token } = await enrol(person);
    const own = await callerOf(token).call('DELETE', path);
    assert.equal(own.status, 409, 'oneself only by proof');
    assert.equal((await acme.call('DELETE', path)).status, 204);
    assert.equal((await callerOf(token).call('GET', '/v1/me')).status, 401);
    const [details] = await detailsIn(acme.tenant.id, "action = 'delete SecondFactor' AND outcome = 'done'");
    assert.deepEqual(details, { before: { confirmed: true }, sessionsEnded: 1 });
  });

  it('R4.1 is nothing a key could set up', async () => {
    const acme = await member();
    const key = await keyHolder(acme.tenant.id, 'owner');
    assert.equal((await key.call('POST', '/v1/me/second-factor')).status, 409);
  });

  it('R4.1 asked for by the organisation lets those without it do nothing but set it up', async () => {
    const acme = await member();
    const { token } = await enrol(acme);
    const demanded = await callerOf(token).call('PATCH', '/v1/security-policy', {
      requireSecondFactor: true,
    });
    assert.equal(demanded.status, 200, demanded.text);
    const person = await signedInPerson(acme.tenant.id, 'admin');
    const me = await person.call<{ session: { stage: string } }>('GET', '/v1/me');
    assert.equal(me.body.session.stage, 'enrolment');
    for (const [method, path, body] of [
      ['GET', '/v1/agents'],
      ['POST', '/v1/agents', { name: 'x', model: 'demo' }],
      ['GET', '/v1/me/sessions'],
      ['PATCH', '/v1/security-policy', { requireSecondFactor: false }],
    ] as const)
      assert.equal((await person.call(method, path, body)).status, 403, path);
    const renewed = callerOf((await enrol(person)).token);
    assert.equal((await renewed.call('GET', '/v1/agents')).status, 200);
    assert.equal((await person.call('GET', '/v1/me')).status, 401, 'the token of before');
    const other = await signedInPerson(acme.tenant.id, 'viewer');
    assert.equal((await other.call('DELETE', '/v1/sessions/current')).status, 204);
  });

  it('R4.1 that is removed where it is asked for leads back to setting it up', async () => {
    const acme = await member();
    const { token } = await enrol(acme);
    const owner = callerOf(token);
    await owner.call('PATCH', '/v1/security-policy', { requireSecondFactor: true });
    const done = await remove(owner, { currentPassword });
    const renewed = callerOf(String(done.headers['freehold-session']));
    assert.equal((await renewed.call('GET', '/v1/agents')).status, 403);
    assert.equal((await opened(acme.tenant, acme)).stage, 'enrolment');
  });
});
