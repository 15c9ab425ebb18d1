import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { callerOf } from '../support/client.ts';
import { keyHolder, placed, useSharedModels } from '../support/people.ts';
import { opened, type Problem, signIn } from '../support/sign-in.ts';
import { type Member, member, password } from '../support/tenants.ts';

const another = 'violet trombone escalator';

const change = (as: Pick<Member, 'call'>, currentPassword: string, newPassword: string) =>
  as.call<Problem>('POST', '/v1/me/password', { currentPassword, newPassword });

async function trail(tenantId: string, action: string) {
  return inTenant(await placed(tenantId), ({ sql }) =>
    sql<{ outcome: string; details: Record<string, unknown>; actor: { kind: string; id: string } }>(
      'SELECT * FROM audit_events WHERE action = $1 ORDER BY seq',
      [action],
    ),
  );
}

describe('passwords', () => {
  before(() => useSharedModels());

  it('R4.1 are refused when they are short, common, monotonous or made of what everybody knows', async () => {
    const acme = await member();
    const { slug } = acme.tenant;
    for (const [chosen, sentence] of [
      ['qwertyuiop', /tried first/],
      ['Password2026!', /tried first/],
      ['1qaz2wsx3edc', /tried first/],
      ['abababababab', /over and over/],
      ['Ada Admin 1234', /made of your name/],
      [`${slug}-2026`, /made of your name/],
      [`Admin@${slug}.example`, /made of your name/],
    ] as const) {
      const reply = await change(acme, password, chosen);
      assert.equal(reply.status, 400, chosen);
      assert.deepEqual(
        [...new Set(reply.body.errors?.map((each) => each.pointer))],
        ['/newPassword'],
        chosen,
      );
      assert.ok(
        reply.body.errors?.some(({ detail }) => sentence.test(detail)),
        `${chosen}: ${reply.text}`,
      );
    }
    assert.equal((await change(acme, password, 'short')).status, 400);
    assert.equal((await change(acme, password, password)).status, 400);
    assert.equal((await change(acme, password, another)).status, 204);
  });

  it('R4.1 are changed by whoever knows the present one; other sessions end, and this one has a new token', async () => {
    const acme = await member();
    const other = await opened(acme.tenant, acme);
    const wrong = await change(acme, 'not the password', another);
    assert.equal(wrong.status, 400);
    assert.equal(wrong.body.errors?.[0]?.pointer, '/currentPassword');
    const done = await change(acme, password, another);
    assert.equal(done.status, 204, done.text);
    const renewed = callerOf(String(done.headers['freehold-session']));
    assert.equal((await renewed.call('GET', '/v1/me')).status, 200);
    assert.equal((await acme.call('GET', '/v1/me')).status, 401);
    assert.equal((await callerOf(other.token).call('GET', '/v1/me')).status, 401);
    assert.equal((await signIn(acme.tenant, acme)).status, 401);
    assert.equal((await signIn(acme.tenant, { ...acme, password: another })).status, 201);
    const [refused, event] = await trail(acme.tenant.id, 'update Password');
    assert.equal(refused?.outcome, 'refused');
    assert.deepEqual(event?.details, { sessionsEnded: 1 });
  });

  it('R4.1 cannot be changed with a key, not even an owner’s', async () => {
    const acme = await member();
    const key = await keyHolder(acme.tenant.id, 'owner');
    assert.equal((await change(key, password, another)).status, 409);
  });

  it('R4.1 cannot be guessed with a session that was stolen', async () => {
    const acme = await member();
    const statuses: number[] = [];
    for (let tries = 0; tries < 12; tries++)
      statuses.push((await change(acme, `guess number ${tries}`, another)).status);
    assert.deepEqual(statuses, [...Array(10).fill(400), 429, 429]);
    const { body: me } = await acme.call<{ id: string }>('GET', '/v1/me');
    const events = await trail(acme.tenant.id, 'update Password');
    assert.deepEqual(
      events.map(({ outcome, actor, details }) => [outcome, actor.id, details.code]),
      statuses.map((status) => ['refused', me.id, status === 429 ? 'rate-limited' : 'invalid-request']),
    );
    assert.doesNotMatch(JSON.stringify(events), /guess number/);
  });
});
