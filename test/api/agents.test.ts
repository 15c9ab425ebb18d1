import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import type { Reply } from '../support/client.ts';
import { keyHolder, placed, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, member, twoTenants } from '../support/tenants.ts';

type Agent = {
  id: string;
  name: string;
  description: string;
  model: string;
  version: number;
  tags: string[];
  ownerId: string;
};
type Problem = { code: string; detail: string; errors?: { pointer: string }[] };
type Listed = { items: Agent[]; nextCursor: string | null };

const wanted = (name = freshSlug('agent'), more: object = {}) => ({ name, model: 'demo', ...more });

describe('agents', () => {
  let acme: Member;
  let globex: Member;
  let mine: Agent;
  let theirs: Agent;

  const make = (body: unknown, as = acme): Promise<Reply<Agent & Problem>> =>
    as.call<Agent & Problem>('POST', '/v1/agents', body);
  const read = async (id: string) => (await acme.call<Agent>('GET', `/v1/agents/${id}`)).body;

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
    const agent = { name: 'alpha', model: 'demo', tags: ['support'] };
    mine = (await make(agent)).body;
    theirs = (await make(agent, globex)).body;
  });

  it("R2.1 lists only the caller's own agents", async () => {
    const listed = await acme.call<Listed>('GET', '/v1/agents');
    assert.deepEqual(
      listed.body.items.map((agent) => agent.id),
      [mine.id],
    );
  });

  it('R2.2 belong to the tenant of whoever makes them, and to that person', async () => {
    const made = await make(wanted('beta', { description: 'it sorts mail', tags: ['mail', 'sorting'] }));
    assert.equal(made.status, 201);
    assert.equal(made.headers.location, `/v1/agents/${made.body.id}`);
    assert.equal(made.headers.etag, '"1"');
    const me = await acme.call<{ id: string }>('GET', '/v1/me');
    assert.equal(made.body.ownerId, me.body.id);
    assert.deepEqual(await read(made.body.id), made.body);
    assert.equal((await globex.call('GET', `/v1/agents/${made.body.id}`)).status, 404);
    const rows = await inTenant(await placed(globex.tenant.id), ({ sql }) => sql('SELECT id FROM agents'));
    assert.deepEqual(rows, [{ id: theirs.id }]);
  });

  it('R2.2 cannot be changed or removed from another tenant', async () => {
    const path = `/v1/agents/${theirs.id}`;
    assert.equal((await acme.call('PATCH', path, { name: 'stolen' })).status, 404);
    assert.equal((await acme.call('DELETE', path)).status, 404);
    const { body } = await globex.call<Agent>('GET', path);
    assert.deepEqual(body, theirs);
  });

  it('R2.2 take no field that the caller may not set', async () => {
    for (const field of [
      'id',
      'ownerId',
      'owner_id',
      'version',
      'tenantId',
      'tenant_id',
      'createdAt',
      'nameKey',
      'isSystem',
      'role',
      'quota',
      '$where',
    ]) {
      for (const [method, path] of [
        ['POST', '/v1/agents'],
        ['PATCH', `/v1/agents/${mine.id}`],
      ] as const) {
        const reply = await acme.call<Problem>(method, path, { ...wanted(), [field]: theirs.id });
        assert.equal(reply.status, 400, `${method} ${field}`);
        assert.deepEqual(
          reply.body.errors?.map((each) => each.pointer),
          [`/${field}`],
        );
      }
    }
    assert.deepEqual(await read(mine.id), mine);
  });

  it('R2.2 are changed only by who saw their present version', async () => {
    const { body: made } = await make(wanted());
    const patch = (body: object, ifMatch?: string) =>
      acme.call<Agent & Problem>('PATCH', `/v1/agents/${made.id}`, body, {
        ...(ifMatch && { 'if-match': ifMatch }),
      });
    const changed = await patch({ description: 'first' }, '"1"');
    assert.equal(changed.status, 200);
    assert.equal(changed.headers.etag, '"2"');
    assert.equal(changed.body.name, made.name, 'what was not sent stays');
    assert.equal((await patch({ description: 'late' }, '2')).status, 400, 'no ETag at all');
    for (const stale of ['"1"', '"3"', 'W/"2"', '"x"', '"1", "2"']) {
      const refused = await patch({ description: 'late' }, stale);
      assert.equal(refused.status, 412, stale);
    }
    assert.equal((await patch({ description: 'any' }, '*')).status, 200);
    const remove = (ifMatch: string) =>
      acme.call('DELETE', `/v1/agents/${made.id}`, undefined, { 'if-match': ifMatch });
    assert.equal((await remove('"2"')).status, 412);
    assert.equal((await remove('"3"')).status, 204);
    assert.equal((await acme.call('GET', `/v1/agents/${made.id}`)).status, 404);
  });

  it('R2.2 are changed by one of ten who saw the same version', async () => {
    const { body: made } = await make(wanted());
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        acme.call('PATCH', `/v1/agents/${made.id}`, { description: `${at}` }, { 'if-match': '"1"' }),
      ),
    );
    assert.equal(replies.filter((each) => each.status === 200).length, 1);
    assert.equal(replies.filter((each) => each.status === 412).length, 9);
    assert.equal((await read(made.id)).version, 2);
  });

  it('R2.2 have a name that is theirs alone in the tenant, whatever its case or Unicode form', async () => {
    await make(wanted('Café Ångström'));
    for (const alike of [
      'CAFÉ ÅNGSTRÖM',
      'cafe\u0301 a\u030angstro\u0308m',
      ' Café Ångström ',
      'Ｃafé Ångström',
    ]) {
      const reply = await make(wanted(alike));
      assert.equal(reply.status, 409, alike);
      assert.deepEqual(
        reply.body.errors?.map((each) => each.pointer),
        ['/name'],
      );
    }
    const { body: other } = await make(wanted());
    const renamed = await acme.call('PATCH', `/v1/agents/${other.id}`, { name: 'CAFÉ Ångström' });
    assert.equal(renamed.status, 409);
    assert.equal(
      (await make(wanted('Café Ångström'), globex)).status,
      201,
      'another tenant has its own names',
    );
  });

  it('R1.3 are refused past the limit, exactly, when twenty are asked for at once', async () => {
    const small = await member({ quotas: { agents: 7 } });
    const replies = await Promise.all(Array.from({ length: 20 }, () => make(wanted(), small)));
    assert.equal(replies.filter((each) => each.status === 201).length, 7);
    assert.equal(replies.filter((each) => each.status === 409).length, 13);
    const { body } = await small.call<Listed>('GET', '/v1/agents');
    assert.equal(body.items.length, 7);
    await small.call('DELETE', `/v1/agents/${body.items[0]?.id}`);
    assert.equal((await make(wanted(), small)).status, 201, 'a removed one makes room');
    assert.match((await make(wanted(), small)).body.detail, /holds 7 agents/);
  });

  it('R1.5 leave their history in the tenant’s own trail', async () => {
    const { body: made } = await make(wanted());
    await acme.call('PATCH', `/v1/agents/${made.id}`, { description: 'x' });
    await acme.call('DELETE', `/v1/agents/${made.id}`);
    const events = await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql(
        `SELECT action, rule, actor->>'id' AS actor, before_digest IS NOT NULL AS before, after_digest IS NOT NULL AS after
         FROM audit_events WHERE subject_id = $1 ORDER BY seq`,
        [made.id],
      ),
    );
    const event = (action: string, before: boolean, after: boolean) => ({
      action: `${action} Agent`,
      rule: `owner may ${action} Agent`,
      actor: made.ownerId,
      before,
      after,
    });
    assert.deepEqual(events, [
      event('create', false, true),
      event('update', true, true),
      event('delete', true, false),
    ]);
  });
});

describe('the list of agents', () => {
  let acme: Member;
  const names = Array.from({ length: 11 }, (_, at) => `agent ${at}`);

  const page = (query: string) => acme.call<Listed>('GET', `/v1/agents?${query}`);

  before(async () => {
    acme = await member();
    for (const [at, name] of names.entries())
      await acme.call(
        'POST',
        '/v1/agents',
        wanted(name, { model: at % 2 ? 'odd' : 'even', tags: [`t${at % 3}`] }),
      );
  });

  it('R2.1 comes in pages, newest first, each agent once, also while agents come and go', async () => {
    const seen: string[] = [];
    let cursor = '';
    for (let at = 0; at < 10; at++) {
      const { body } = await page(`limit=3${cursor}`);
      seen.push(...body.items.map((each) => each.name));
      if (at === 0) {
        await acme.call('POST', '/v1/agents', wanted('newcomer'));
        await acme.call('DELETE', `/v1/agents/${body.items.at(-1)?.id}`);
      }
      if (!body.nextCursor) break;
      cursor = `&cursor=${body.nextCursor}`;
    }
    assert.deepEqual(seen, names.toReversed());
  });

  it('R2.1 says that there is no next page when there is none', async () => {
    const all = await page('limit=200');
    assert.equal(all.body.nextCursor, null);
    const exact = await page(`limit=${all.body.items.length}`);
    assert.equal(exact.body.nextCursor, null);
    assert.equal((await page('limit=1')).body.nextCursor, all.body.items[0]?.id);
  });

  it('R2.1 can be filtered by name, model and tag, all together', async () => {
    const found = async (query: string) => (await page(query)).body.items.map((each) => each.name);
    assert.deepEqual(await found('name=AGENT%203'), ['agent 3']);
    assert.deepEqual(await found('model=odd&tag=t1'), ['agent 7', 'agent 1']);
    assert.deepEqual(await found('model=odd&tag=t1&name=agent%201'), ['agent 1']);
    assert.deepEqual(await found('tag=none'), []);
    assert.deepEqual(await found(`name=${encodeURIComponent("' OR '1'='1")}`), []);
    assert.deepEqual(await found('name=%25'), [], 'a name is no pattern');
  });

  it('R2.1 refuses limits, cursors and filters that are none', async () => {
    for (const query of [
      'limit=0',
      'limit=201',
      'limit=1.5',
      'limit=all',
      'cursor=x',
      'cursor=ten_01h455vb4pex5vsknk084sn02q',
      'order=name',
      'fields=id',
      '$where=1',
      'limit=1&limit=2',
      'name[]=a',
    ])
      assert.equal((await page(query)).status, 400, query);
  });

  it('R4.5 is for every role but billing', async () => {
    const billing = await keyHolder(acme.tenant.id, 'billing');
    const viewer = await keyHolder(acme.tenant.id, 'viewer');
    assert.equal((await billing.call('GET', '/v1/agents')).status, 403);
    assert.equal((await viewer.call('GET', '/v1/agents')).status, 200);
    assert.equal((await viewer.call('POST', '/v1/agents', wanted())).status, 403);
  });

  it('R4.5 follows a role that is taken away at the next request', async () => {
    const demoted = await keyHolder(acme.tenant.id, 'builder');
    assert.equal((await demoted.call('POST', '/v1/agents', wanted())).status, 201);
    await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql('DELETE FROM role_assignments WHERE principal_id = $1', [demoted.id]),
    );
    assert.equal((await demoted.call('POST', '/v1/agents', wanted())).status, 403);
    assert.equal((await demoted.call('GET', '/v1/agents')).status, 403);
  });
});
