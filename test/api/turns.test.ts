import assert from 'node:assert/strict';
import { accept, freshAddress, inviteAs, mailedToken, sqlIn } from '../support/invitations.ts';
import { useSharedModels } from '../support/people.ts';
import { allow, give, madeRole, personWith, take } from '../support/roles.ts';
import { type Member, member } from '../support/tenants.ts';

/** Changes of people and rights that come at the same moment: judged one after the other, and none in another's way. */
describe('changes of people and rights at the same moment', () => {
  let acme: Member;

  before(async () => {
    useSharedModels();
    acme = await member({ plan: 'business' });
  });

  type Asked = Promise<{ status: number; text: string }>;
  async function withoutFault(asked: Asked[]): Promise<number[]> {
    const replies = await Promise.all(asked);
    for (const { status, text } of replies) assert.ok(status < 500, text);
    return replies.map(({ status }) => status);
  }

  it('R4.1 do not wait for each other for ever: people come back while others are invited', async () => {
    const people = await Promise.all(Array.from({ length: 4 }, () => personWith(acme, 'viewer')));
    for (let round = 0; round < 3; round++) {
      for (const { id } of people) await acme.call('POST', `/v1/users/${id}/deactivation`);
      const asked = people.flatMap(({ id }) => [
        acme.call('POST', `/v1/users/${id}/reactivation`),
        inviteAs(acme, freshAddress(), 'viewer'),
      ]);
      assert.deepEqual([...new Set(await withoutFault(asked))].sort(), [200, 201]);
    }
  });

  it('R4.4 do not wait for each other for ever: a role is given, changed and removed', async () => {
    const people = await Promise.all(Array.from({ length: 4 }, () => personWith(acme, 'viewer')));
    for (let round = 0; round < 4; round++) {
      const role = await madeRole(acme, [allow('read')]);
      const rules = [allow('read'), allow(round % 2 ? 'update' : 'create')];
      const asked = people.flatMap(({ id }) => [
        give(acme, id, role),
        acme.call('PATCH', `/v1/roles/${role}`, { rules }),
      ]);
      await withoutFault([...asked, acme.call('DELETE', `/v1/roles/${role}`)]);
      await withoutFault(people.map(({ id }) => take(acme, id, role)));
      await withoutFault([
        acme.call('DELETE', `/v1/roles/${role}`),
        ...people.map(({ id }) => give(acme, id, role)),
      ]);
      for (const { id } of people) await take(acme, id, role);
    }
  });

  it('R4.2 do not wait for each other for ever: invitations are accepted, sent again, and lose their inviter', async () => {
    const inviter = await personWith(acme, 'admin');
    const sent = await Promise.all(
      [1, 2, 3].map(async () => {
        const email = freshAddress();
        const { id } = (await inviteAs(inviter, email, 'viewer')).body;
        return { id, token: await mailedToken(email) };
      }),
    );
    const earlier = "UPDATE invitations SET issued_at = now() - interval '1 hour' WHERE invited_by = $1";
    await sqlIn(acme.tenant, earlier, inviter.id);
    await withoutFault([
      ...sent.map(({ id }) => acme.call('POST', `/v1/invitations/${id}/resend`)),
      acme.call('POST', `/v1/users/${inviter.id}/deactivation`),
      ...sent.map(({ token }) => accept(token)),
    ]);
  });

  it('R4.3 give nobody a role by what it allowed a moment ago', async () => {
    const beyond = { effect: 'allow', action: 'administer', subject: 'Organisation' };
    for (let round = 0; round < 8; round++) {
      const admin = await personWith(acme, 'admin');
      const role = await madeRole(acme, [allow('read')]);
      const [widened] = await Promise.all([
        acme.call('PATCH', `/v1/roles/${role}`, { rules: [beyond] }),
        ...[0, 1, 2].map(() => give(admin, admin.id, role)),
      ]);
      assert.equal(widened.status, 200);
      const trail =
        "SELECT action FROM audit_events WHERE subject_type = 'Role' AND subject_id = $1 ORDER BY seq";
      const order = (await sqlIn(acme.tenant, trail, role)).map(
        (each) => (each as { action: string }).action,
      );
      const at = order.indexOf('assign Role');
      // Given before it was widened, the owner who widens it decides; afterwards nobody gives what they do not hold.
      assert.ok(at === -1 || at < order.indexOf('update Role'), order.join(', '));
    }
  });

  it('R4.4 are judged by what the asker may when their turn has come', async () => {
    for (let round = 0; round < 6; round++) {
      const admin = await personWith(acme, 'admin');
      const other = await personWith(acme);
      const [taken] = await Promise.all([take(acme, admin.id, 'admin'), give(admin, other.id, 'builder')]);
      assert.equal(taken.status, 200);
      const trail = `SELECT details->>'change' AS change FROM audit_events
        WHERE action = 'assign Role' AND outcome = 'done' AND details->>'userId' = ANY ($1) ORDER BY seq`;
      const changes = (await sqlIn(acme.tenant, trail, [admin.id, other.id])) as { change: string }[];
      // Whatever was given, was given before.
      assert.equal(changes.at(-1)?.change, 'taken away');
    }
  });
});
