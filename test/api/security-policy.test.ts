import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { callerOf } from '../support/client.ts';
import { keyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { enrol, opened, type Problem } from '../support/sign-in.ts';
import { type Member, member, password } from '../support/tenants.ts';
import { detailsIn } from '../support/trail.ts';

type Policy = {
  sessionHours: number;
  idleMinutes: number;
  requireSecondFactor: boolean;
  passwordLengthMin: number;
  allowedEmailDomains: string[];
  version: number;
};

const path = '/v1/security-policy';
const change = (as: Pick<Member, 'call'>, body: object, headers: Record<string, string> = {}) =>
  as.call<Policy & Problem>('PATCH', path, body, headers);

const sqlIn = async (tenantId: string, text: string) =>
  inTenant(await placed(tenantId), ({ sql }) => sql<Record<string, unknown>>(text));

describe('the security policy', () => {
  before(() => useSharedModels());

  it('R4.1 says how strict the organisation is, with a version to change it by', async () => {
    const acme = await member();
    const read = await acme.call<Policy>('GET', path);
    assert.deepEqual(read.body, {
      sessionHours: 12,
      idleMinutes: 720,
      requireSecondFactor: false,
      passwordLengthMin: 10,
      allowedEmailDomains: [],
      version: 1,
    });
    assert.equal(read.headers.etag, '"1"');
    const changed = await change(
      acme,
      { idleMinutes: 30, allowedEmailDomains: [' Example.COM'] },
      { 'if-match': '"1"' },
    );
    assert.equal(changed.status, 200, changed.text);
    assert.deepEqual(changed.body, {
      ...read.body,
      idleMinutes: 30,
      allowedEmailDomains: ['example.com'],
      version: 2,
    });
    assert.equal((await change(acme, { idleMinutes: 40 }, { 'if-match': '"1"' })).status, 412);
    assert.deepEqual((await acme.call<Policy>('GET', path)).body, changed.body);
    const [details] = await detailsIn<{ before: Policy; after: Policy }>(
      acme.tenant.id,
      "action = 'update SecurityPolicy' AND outcome = 'done'",
    );
    assert.deepEqual([details?.before.idleMinutes, details?.after.idleMinutes], [720, 30]);
  });

  it('R4.1 is never laxer than the platform', async () => {
    const acme = await member();
    for (const [field, value] of [
      ['sessionHours', 721],
      ['sessionHours', 0],
      ['idleMinutes', 721],
      ['idleMinutes', 4],
      ['passwordLengthMin', 9],
      ['passwordLengthMin', 65],
      ['allowedEmailDomains', ['not a domain']],
      ['allowedEmailDomains', ['a.example', 'A.example']],
    ] as const) {
      const reply = await change(acme, { [field]: value });
      assert.equal(reply.status, 400, `${field} ${value}`);
      assert.match(reply.body.errors?.[0]?.pointer ?? '', new RegExp(`^/${field}`));
    }
    assert.equal((await change(acme, {})).status, 400);
  });

  it('R4.1 is changed by one of two who saw the same version', async () => {
    const acme = await member();
    const both = await Promise.all(
      [20, 25].map((idleMinutes) => change(acme, { idleMinutes }, { 'if-match': '"1"' })),
    );
    assert.deepEqual(both.map((each) => each.status).sort(), [200, 412]);
  });

  it('R4.1 holds for sessions that are there already, and never lengthens one', async () => {
    const acme = await member();
    const before = await opened(acme.tenant, acme);
    await change(acme, { sessionHours: 1, idleMinutes: 5 });
    const limits =
      'SELECT idle_seconds, extract(epoch FROM expires_at - created_at)::int AS seconds FROM sessions';
    for (const row of await sqlIn(acme.tenant.id, limits))
      assert.deepEqual(row, { idle_seconds: 300, seconds: 3_600 });
    await change(acme, { sessionHours: 24, idleMinutes: 60 });
    for (const row of await sqlIn(acme.tenant.id, limits))
      assert.deepEqual(row, { idle_seconds: 300, seconds: 3_600 });
    const after = await opened(acme.tenant, acme);
    assert.ok(Date.parse(after.expiresAt) > Date.parse(before.expiresAt) + 11 * 3_600_000);
  });

  it('R4.1 asks for a second factor only by somebody who has one', async () => {
    const acme = await member();
    const key = await keyHolder(acme.tenant.id, 'owner');
    for (const as of [acme, key]) {
      const refused = await change(as, { requireSecondFactor: true });
      assert.equal(refused.status, 409, refused.text);
      assert.equal(refused.body.errors?.[0]?.pointer, '/requireSecondFactor');
    }
    const person = await signedInPerson(acme.tenant.id, 'builder');
    const owner = callerOf((await enrol(acme)).token);
    assert.equal((await change(owner, { requireSecondFactor: true })).status, 200);
    assert.equal((await owner.call('GET', '/v1/agents')).status, 200);
    assert.equal((await person.call('GET', '/v1/agents')).status, 403);
    // What was demanded already may be said again by a key, and taken back.
    assert.equal((await change(key, { requireSecondFactor: true })).status, 200);
    assert.equal((await change(key, { requireSecondFactor: false })).status, 200);
    assert.equal((await person.call('GET', '/v1/agents')).status, 200);
  });

  it('R4.1 asks for longer passwords from the next one on', async () => {
    const acme = await member();
    await change(acme, { passwordLengthMin: 24 });
    const reply = await acme.call<Problem>('POST', '/v1/me/password', {
      currentPassword: password,
      newPassword: 'violet trombone',
    });
    assert.equal(reply.body.errors?.[0]?.detail, 'must have at least 24 characters');
    assert.ok(await opened(acme.tenant, acme), 'the present one stays good');
  });
});
