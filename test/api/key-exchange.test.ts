import assert from 'node:assert/strict';
import { callerOf } from '../support/client.ts';
import { asking, assertRefused, made, reads, rotated, within } from '../support/keys.ts';
import { type KeyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

describe('exchanging the token of a key', () => {
  let acme: Member;
  let builder: KeyHolder;
  before(async () => {
    useSharedModels();
    acme = await member();
    builder = await signedInPerson(acme.tenant.id, 'builder');
  });

  it('R4.1 keeps the old one good for the overlap, and no longer', async () => {
    const key = await made(builder);
    const first = await rotated(builder, key, { overlapSeconds: 600 });
    assert.equal(first.status, 200, first.text);
    assert.ok(Date.parse(first.body.previousUntil ?? '') > Date.now() + 500_000);
    const next = callerOf(first.body.token);
    assert.deepEqual([await reads(key), await reads(next)], [200, 200]);
    const second = await rotated(builder, key, { overlapSeconds: 0 });
    assert.deepEqual(
      [await reads(key), await reads(next), await reads(callerOf(second.body.token))],
      [401, 401, 200],
    );
  });

  it('R4.1 can be done with the key itself, and asks for the version one knows', async () => {
    const key = await made(builder);
    const path = `/v1/api-keys/${key.id}/rotation`;
    assert.equal((await key.call('POST', path, {}, { 'if-match': '"7"' })).status, 412);
    assert.equal((await key.call('POST', path, {}, { 'if-match': '"1"' })).status, 200);
  });

  it('R4.1 is for the new token alone: who found the old one makes no key with it and locks nobody out', async () => {
    const key = await made(builder);
    const { body: next } = await rotated(builder, key, { overlapSeconds: 3_600 });
    const owner = callerOf(next.token);
    assertRefused(await rotated(key, key, { overlapSeconds: 0 }), 403, /with the new one/);
    assertRefused(await rotated(key, await made(builder)), 403, /with the new one/);
    assertRefused(await asking(key, { name: 'x', kind: 'user' }), 403, /with the new one/);
    assert.deepEqual([await reads(key), await reads(owner)], [200, 200]);
    assert.equal((await rotated(owner, key, { overlapSeconds: 0 })).status, 200);
  });

  it('R4.1 is for the new token of a session as well', async () => {
    const person = await signedInPerson(acme.tenant.id, 'builder');
    const key = await made(person);
    await within(acme.tenant.id, (sql) =>
      sql('UPDATE sessions SET rotate = true WHERE user_id = $1', [person.id]),
    );
    const { headers } = await person.call('GET', '/v1/me');
    const next = callerOf(String(headers['freehold-session']));
    assert.equal(await reads(person), 200);
    assertRefused(await asking(person, { name: 'x', kind: 'user' }), 403, /signing in again/);
    assertRefused(await rotated(person, key), 403, /with the new one/);
    assert.equal((await asking(next, { name: 'x', kind: 'user' })).status, 201);
  });

  it('R4.1 takes at most a week', async () => {
    const reply = await rotated(builder, await made(builder), { overlapSeconds: 604_801 });
    assert.equal(reply.status, 400);
  });
});
