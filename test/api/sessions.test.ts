import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { rotateSessionsOf } from '../../models/tenant/session.ts';
import { callerOf } from '../support/client.ts';
import { placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { opened, signIn } from '../support/sign-in.ts';
import { type Member, member } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';

type Shown = {
  id: string;
  userId: string;
  current: boolean;
  userAgent: string | null;
  source: string;
  lastUsedAt: string;
};
type Page = { items: Shown[]; nextCursor: string | null };

const sqlIn = async (tenantId: string, text: string, values: unknown[] = []) =>
  inTenant(await placed(tenantId), ({ sql }) => sql<Record<string, unknown>>(text, values));

const rotate = async (tenantId: string, userId: string) =>
  inTenant(await placed(tenantId), ({ sql }) => rotateSessionsOf(sql, userId));

const works = async (token: string) => (await callerOf(token).call('GET', '/v1/me')).status === 200;

async function ownId(as: Pick<Member, 'call'>): Promise<string> {
  return (await as.call<{ id: string }>('GET', '/v1/me')).body.id;
}

describe('sessions', () => {
  before(() => useSharedModels());

  it('R4.1 are listed to their person with where they come from, and marked which one asks', async () => {
    const acme = await member();
    const { id, token } = (await signIn(acme.tenant, acme, { 'user-agent': 'A Browser/1.0' })).body;
    const { body } = await callerOf(token).call<Page>('GET', '/v1/me/sessions');
    assert.equal(body.items.length, 2);
    const [newest, older] = body.items;
    assert.equal(newest?.id, id);
    assert.equal(newest?.current, true);
    assert.equal(newest?.userAgent, 'A Browser/1.0');
    assert.match(newest?.source ?? '', /127\.0\.0\.1/);
    assert.equal(older?.current, false);
    const first = await callerOf(token).call<Page>('GET', '/v1/me/sessions?limit=1');
    assert.equal(first.body.nextCursor, id);
    const next = await callerOf(token).call<Page>('GET', `/v1/me/sessions?limit=1&cursor=${id}`);
    assert.deepEqual(
      next.body.items.map((each) => each.id),
      [older?.id],
    );
  });

  it('R4.1 show nobody another’s, and let nobody end another’s', async () => {
    const [acme, globex] = await Promise.all([member(), member()]);
    const person = await signedInPerson(acme.tenant.id, 'viewer');
    const mine = await person.call<Page>('GET', '/v1/me/sessions');
    assert.deepEqual(
      mine.body.items.map((each) => each.userId),
      [person.id],
    );
    const [owners] = (await acme.call<Page>('GET', '/v1/me/sessions')).body.items;
    assert.equal((await person.call('DELETE', `/v1/me/sessions/${owners?.id}`)).status, 404);
    assert.equal((await person.call('GET', `/v1/users/${owners?.userId}/sessions`)).status, 404);
    assert.equal((await person.call('DELETE', `/v1/users/${owners?.userId}/sessions`)).status, 404);
    assert.equal((await globex.call('DELETE', `/v1/me/sessions/${owners?.id}`)).status, 404);
    // Not even an administrator by the way that is for one's own.
    const [theirs] = mine.body.items;
    assert.equal((await acme.call('DELETE', `/v1/me/sessions/${theirs?.id}`)).status, 404);
    assert.equal((await person.call('GET', `/v1/users/${person.id}/sessions`)).status, 200);
  });

  it('R4.1 end one by one, all others, or all of a person, at once', async () => {
    const acme = await member();
    const [one, two, three] = await Promise.all([1, 2, 3].map(() => opened(acme.tenant, acme)));
    assert.ok(one && two && three);
    assert.equal((await acme.call('DELETE', `/v1/me/sessions/${one.id}`)).status, 204);
    assert.equal(await works(one.token), false);
    assert.equal(await works(two.token), true);
    const others = await acme.call<{ ended: number }>('DELETE', '/v1/me/sessions');
    assert.equal(others.body.ended, 2);
    assert.deepEqual(
      [await works(two.token), await works(three.token), await works(acme.token)],
      [false, false, true],
    );
    const person = await signedInPerson(acme.tenant.id, 'builder');
    const all = await acme.call<{ ended: number }>('DELETE', `/v1/users/${person.id}/sessions`);
    assert.equal(all.body.ended, 1);
    assert.equal(await works(person.token), false);
    const listed = await acme.call<Page>('GET', `/v1/users/${person.id}/sessions`);
    assert.deepEqual(listed.body.items, []);
  });

  it('R4.1 end after their hours however busy, and after their minutes when they are idle', async () => {
    const acme = await member();
    const [busy, idle] = await Promise.all([opened(acme.tenant, acme), opened(acme.tenant, acme)]);
    await sqlIn(
      acme.tenant.id,
      "UPDATE sessions SET expires_at = now() - interval '1 second' WHERE id = $1",
      [busy.id],
    );
    const idleFor = (seconds: number) =>
      sqlIn(
        acme.tenant.id,
        'UPDATE sessions SET idle_seconds = 1800, last_used_at = now() - make_interval(secs => $2) WHERE id = $1',
        [idle.id, seconds],
      );
    await idleFor(1_790);
    assert.equal(await works(busy.token), false);
    assert.equal(await works(idle.token), true);
    // Its use was noted after the answer, so that it goes on; a session noted lately is not written again.
    await eventually(async () => {
      const [row] = await sqlIn(
        acme.tenant.id,
        "SELECT last_used_at > now() - interval '5 seconds' AS fresh FROM sessions WHERE id = $1",
        [idle.id],
      );
      assert.equal(row?.fresh, true);
    });
    await idleFor(1_810);
    assert.equal(await works(idle.token), false);
    const { body } = await acme.call<Page>('GET', '/v1/me/sessions');
    assert.equal(body.items.length, 1, 'what has ended is not listed');
  });

  it('R4.1 note their use at most once a minute', async () => {
    const acme = await member();
    const noted = async () =>
      (await sqlIn(acme.tenant.id, 'SELECT last_used_at::text AS at FROM sessions'))[0]?.at;
    const before = await noted();
    for (let asked = 0; asked < 5; asked++) await acme.call('GET', '/v1/me');
    assert.equal(await noted(), before);
  });

  it('R4.1 change their token with the first answer after a change of rights; the old one stays good for a moment', async () => {
    const acme = await member();
    const userId = await ownId(acme);
    await rotate(acme.tenant.id, userId);
    const replies = await Promise.all(Array.from({ length: 5 }, () => acme.call('GET', '/v1/me')));
    assert.ok(replies.every((each) => each.status === 200));
    const fresh = replies.flatMap((each) => each.headers['freehold-session'] ?? []);
    assert.equal(fresh.length, 1, 'one exchange, however many ask at once');
    const token = String(fresh[0]);
    assert.notEqual(token, acme.token);
    assert.deepEqual([await works(token), await works(acme.token)], [true, true]);
    assert.equal((await acme.call('GET', '/v1/me')).headers['freehold-session'], undefined);
    await sqlIn(acme.tenant.id, "UPDATE sessions SET previous_until = now() - interval '1 second'");
    assert.deepEqual([await works(token), await works(acme.token)], [true, false]);
  });

  it('R4.1 change their token when somebody else gives their person a role or takes one away', async () => {
    const acme = await member();
    const person = await signedInPerson(acme.tenant.id, 'viewer');
    const renewed = async (token: string) =>
      (await callerOf(token).call('GET', '/v1/me')).headers['freehold-session'];
    assert.equal(await renewed(person.token), undefined);
    const path = `/v1/users/${person.id}/roles/builder`;
    assert.equal((await acme.call('PUT', path)).status, 200);
    const token = String(await renewed(person.token));
    assert.equal(await works(token), true);
    assert.equal((await acme.call('PUT', path)).status, 200, 'again, which changes nothing');
    assert.equal(await renewed(token), undefined);
    assert.equal((await acme.call('DELETE', path)).status, 200);
    assert.notEqual(await renewed(token), undefined);
  });

  it('R4.1 change their token with a refusal as well, and a cookie as a cookie', async () => {
    const acme = await member();
    const cookieOf = (header: unknown) => /__Host-freehold=(\w+)/.exec(String(header))?.[1] ?? '';
    const reply = await signIn(acme.tenant, { ...acme, delivery: 'cookie' });
    const first = cookieOf(reply.headers['set-cookie']);
    await rotate(acme.tenant.id, reply.body.userId);
    const refused = await callerOf().call('GET', '/v1/tenants', undefined, {
      cookie: `__Host-freehold=${first}`,
    });
    assert.equal(refused.status, 403);
    assert.equal(refused.headers['freehold-session'], undefined);
    const header = String(refused.headers['set-cookie']);
    assert.match(header, /; Path=\/; Secure; HttpOnly; SameSite=Lax/);
    assert.notEqual(cookieOf(header), first);
    assert.equal(await works(cookieOf(header)), true);
  });

  it('R4.1 are new at every sign-in, and the one it came with is over', async () => {
    const acme = await member();
    const again = await signIn(acme.tenant, acme, { authorization: `Bearer ${acme.token}` });
    assert.equal(again.status, 201);
    assert.equal(await works(acme.token), false);
    assert.equal(await works(again.body.token), true);
    const person = await signedInPerson(acme.tenant.id, 'viewer');
    await signIn(acme.tenant, acme, { authorization: `Bearer ${person.token}` });
    assert.equal(await works(person.token), true, 'somebody else’s is not ended that way');
  });
});
