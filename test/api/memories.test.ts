import assert from 'node:assert/strict';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { recall, remember, termKeys } from '../../models/tenant/memory.ts';
import { searchMemory, searchStatement } from '../../models/tenant/memory-search.ts';
import { keyHolder, placed, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, twoTenants } from '../support/tenants.ts';

type Memory = {
  id: string;
  text: string;
  conversationId: string;
  subjectId: string | null;
  matched?: number;
};
type Listed = { items: Memory[]; nextCursor: string | null };

describe('memory', () => {
  let acme: Member;
  let globex: Member;

  const agentOf = async (as = acme): Promise<string> =>
    (await as.call<{ id: string }>('POST', '/v1/agents', { name: freshSlug('agent'), model: 'demo' })).body
      .id;
  const tell = async (
    agentId: string,
    text: string,
    more: object = {},
    as: Pick<Member, 'call'> = acme,
  ): Promise<Memory> => {
    const reply = await as.call<Memory>('POST', `/v1/agents/${agentId}/memories`, { text, ...more });
    assert.equal(reply.status, 201, reply.text);
    return reply.body;
  };
  const found = async (agentId: string, query: string, as: Pick<Member, 'call'> = acme) =>
    (await as.call<Listed>('GET', `/v1/agents/${agentId}/memories?${query}`)).body.items?.map(
      ({ text }) => text,
    );

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
  });

  it('R2.3 is told, listed by conversation, newest first in pages, and read', async () => {
    const agentId = await agentOf();
    const first = await tell(agentId, 'one');
    await tell(agentId, 'two', { conversationId: first.conversationId, role: 'user' });
    await tell(agentId, 'three');
    assert.deepEqual(await found(agentId, ''), ['three', 'two', 'one']);
    assert.deepEqual(await found(agentId, `conversationId=${first.conversationId}`), ['two', 'one']);
    const { body: page } = await acme.call<Listed>('GET', `/v1/agents/${agentId}/memories?limit=2`);
    assert.deepEqual(await found(agentId, `limit=2&cursor=${page.nextCursor}`), ['one']);
    const read = await acme.call<Memory>('GET', `/v1/agents/${agentId}/memories/${first.id}`);
    assert.deepEqual(read.body, first);
    const other = await agentOf();
    assert.equal(
      (
        await acme.call('POST', `/v1/agents/${other}/memories`, {
          text: 'x',
          conversationId: first.conversationId,
        })
      ).status,
      409,
    );
    assert.equal((await acme.call('GET', `/v1/agents/${other}/memories/${first.id}`)).status, 404);
  });

  it('R2.3 is found by words without regard to case, accents and endings, most of them first', async () => {
    const agentId = await agentOf();
    await tell(agentId, 'The customer likes running shoes in red');
    await tell(agentId, 'Crème brûlée was served at the café');
    await tell(agentId, 'The runner asked for blue shoes and shoes again');
    await tell(agentId, '東京の天気は晴れです');
    assert.deepEqual(await found(agentId, 'q=SHOE%20red'), [
      'The customer likes running shoes in red',
      'The runner asked for blue shoes and shoes again',
    ]);
    assert.deepEqual(await found(agentId, 'q=creme'), ['Crème brûlée was served at the café']);
    assert.deepEqual(await found(agentId, 'q=runs'), ['The customer likes running shoes in red']);
    assert.deepEqual(await found(agentId, `q=${encodeURIComponent('天気')}`), ['東京の天気は晴れです']);
    assert.deepEqual(await found(agentId, 'q=nothing'), []);
    assert.deepEqual(await found(agentId, `q=${encodeURIComponent("' OR 1=1 --")}`), []);
    assert.deepEqual(await found(await agentOf(), 'q=shoe'), [], 'each agent remembers for itself');
    const { body: page } = await acme.call<Listed>('GET', `/v1/agents/${agentId}/memories?q=shoe&limit=1`);
    assert.deepEqual(await found(agentId, `q=shoe&limit=1&cursor=${page.nextCursor}`), [
      'The customer likes running shoes in red',
    ]);
  });

  it('R2.5 stands in the tables as sealed text and keyed hashes only', async () => {
    const [one, other] = [await agentOf(), await agentOf()];
    for (const agentId of [one, other])
      await tell(agentId, 'canaryword lives here', { subjectId: 'canary@person.example' });
    const rows = await inTenant(await placed(acme.tenant.id), async ({ sql }) => ({
      memories: await sql('SELECT m::text FROM memories m WHERE agent_id IN ($1, $2)', [one, other]),
      terms: await sql<{ term: string }>('SELECT term FROM memory_terms WHERE agent_id IN ($1, $2)', [
        one,
        other,
      ]),
      trail: await sql('SELECT e::text FROM audit_events e'),
      answers: await sql('SELECT k::text FROM idempotency_keys k'),
    }));
    const text = JSON.stringify(rows);
    for (const canary of ['canaryword', 'canary@person.example', 'canari'])
      assert.ok(!text.includes(canary) && !text.includes(Buffer.from(canary).toString('hex')), canary);
    assert.equal(
      new Set(rows.terms.map(({ term }) => term)).size,
      6,
      'equal words of two agents do not look alike',
    );
  });

  it('R2.4 is searched along an index under the tenant’s role and row-level security', async () => {
    const agentId = await agentOf();
    const place = await placed(acme.tenant.id);
    const keyring = await keyringOf(place);
    await inTenant(place, async ({ sql }) => {
      const { conversationId } = await remember(sql, keyring, { agentId, role: 'note', text: 'the needle' });
      await sql(
        `INSERT INTO memories (id, agent_id, conversation_id, role, sealed_text)
         SELECT 'mem_' || n, $1, $2, 'note', '\\x00' FROM generate_series(1, 5000) n`,
        [agentId, conversationId],
      );
      await sql(
        `INSERT INTO memory_terms SELECT $1, 'term' || (n * 10 + k), 'mem_' || n FROM generate_series(1, 5000) n, generate_series(0, 9) k`,
        [agentId],
      );
      const terms = termKeys(keyring, agentId, 'needles');
      const { text, values } = searchStatement(terms, { agentId, query: '', limit: 10 });
      const plan = (await sql<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE) ${text}`, values))
        .map((row) => row['QUERY PLAN'])
        .join('\n');
      assert.match(plan, /(Index Only Scan|Index Scan|Bitmap Index Scan) (using|on) memory_terms_pkey/, plan);
      assert.match(plan, /Index Cond: \(\(agent_id = .*\) AND \(term = ANY/, plan);
      assert.ok(!/Seq Scan on memor/.test(plan), plan);
      const [hit] = await searchMemory(sql, keyring, { agentId, query: 'needles', limit: 10 });
      assert.equal(hit?.memory.text, 'the needle');
    });
  });

  it('R2.2 is not there for another tenant, by the same 404 as what does not exist', async () => {
    const agentId = await agentOf();
    const { id } = await tell(agentId, 'ours');
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['GET', '?q=ours', undefined],
      ['POST', '', { text: 'x' }],
      ['GET', `/${id}`, undefined],
      ['DELETE', `/${id}`, undefined],
    ] as const)
      assert.equal(
        (await globex.call(method, `/v1/agents/${agentId}/memories${path}`, body)).status,
        404,
        method + path,
      );
    assert.equal(
      (await globex.call<{ forgotten: number }>('DELETE', '/v1/memories', { subjectId: 'x' })).body.forgotten,
      0,
    );
    assert.deepEqual(await found(agentId, ''), ['ours']);
  });

  it('R4.5 shows an operator what is their own only', async () => {
    const agentId = await agentOf();
    const { id } = await tell(agentId, 'of the administrator');
    const operator = await keyHolder(acme.tenant.id, 'operator');
    const own = await tell(agentId, 'of the operator', {}, operator);
    assert.deepEqual(await found(agentId, '', operator), ['of the operator']);
    assert.deepEqual(await found(agentId, 'q=of', operator), ['of the operator']);
    assert.equal((await operator.call('GET', `/v1/agents/${agentId}/memories/${id}`)).status, 404);
    assert.equal((await operator.call('DELETE', `/v1/agents/${agentId}/memories/${id}`)).status, 404);
    assert.equal((await operator.call('DELETE', '/v1/memories', { subjectId: 'x' })).status, 403);
    assert.equal((await operator.call('DELETE', `/v1/agents/${agentId}/memories/${own.id}`)).status, 204);
  });

  it('R6.3 is forgotten: one thing, or one person across all agents, with a receipt that tells no content', async () => {
    const [one, other] = [await agentOf(), await agentOf()];
    const gone = await tell(one, 'to be forgotten');
    await tell(one, 'about ada', { subjectId: 'ada@example.com' });
    await tell(other, 'also about ada', { subjectId: ' ADA@example.com' });
    await tell(other, 'about bob', { subjectId: 'bob@example.com' });
    assert.equal((await acme.call('DELETE', `/v1/agents/${one}/memories/${gone.id}`)).status, 204);
    assert.deepEqual(await found(one, 'q=forgotten'), []);
    const erase = (query: string) =>
      acme.call<{ forgotten: number }>('DELETE', `/v1/memories${query}`, { subjectId: 'ada@example.com' });
    assert.equal((await erase('?dryRun=true')).body.forgotten, 2);
    assert.equal((await erase('')).body.forgotten, 2);
    assert.equal((await erase('')).body.forgotten, 0);
    assert.deepEqual([await found(one, ''), await found(other, '')], [[], ['about bob']]);
    const left = await inTenant(await placed(acme.tenant.id), async ({ sql }) => ({
      terms: await sql(
        'SELECT count(DISTINCT memory_id)::int AS count FROM memory_terms WHERE agent_id IN ($1, $2)',
        [one, other],
      ),
      events: await sql(
        "SELECT action, details FROM audit_events WHERE action = 'forget Memory' ORDER BY seq DESC LIMIT 3",
      ),
    }));
    assert.deepEqual(left.terms, [{ count: 1 }]);
    assert.deepEqual(
      left.events.map((event) => event.details),
      [
        { count: 0, of: 'one person' },
        { count: 2, of: 'one person' },
        { count: 1, agentId: one },
      ],
    );
  });

  it('R6.3 is kept by a legal hold, from people as well', async () => {
    const agentId = await agentOf();
    const { id } = await tell(agentId, 'held', { subjectId: 'held@example.com' });
    const free = await tell(agentId, 'free', { subjectId: 'free@example.com' });
    await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql(
        "INSERT INTO legal_holds (id, class, subject_id, reason, created_by) VALUES ('hld_1', 'memory', 'held@example.com', 'a case', '{}')",
      ),
    );
    assert.equal((await acme.call('DELETE', `/v1/agents/${agentId}/memories/${id}`)).status, 409);
    assert.equal((await acme.call('DELETE', '/v1/memories', { subjectId: 'held@example.com' })).status, 409);
    assert.equal((await acme.call('DELETE', `/v1/agents/${agentId}/memories/${free.id}`)).status, 204);
  });

  it('R6.3 is blackened before it is kept where the settings say so, and found by nothing that was', async () => {
    const agentId = await agentOf(globex);
    const document = JSON.stringify({ 'privacy.redact': ['memory'], 'privacy.detectors': ['email'] });
    await inTenant(await placed(globex.tenant.id), ({ sql }) =>
      sql(
        `INSERT INTO setting_versions (number, document, author, reason, cause) VALUES (1, $1::jsonb, '{}', 'r', 'change')`,
        [document],
      ),
    );
    const { text } = await tell(agentId, 'write to grace@hopper.example', {}, globex);
    assert.ok(!text.includes('grace'), text);
    assert.deepEqual(await found(agentId, 'q=grace', globex), []);
    assert.equal((await found(agentId, 'q=write', globex))?.length, 1);
  });

  it('R2.3 is remembered once under one key, and recalled oldest first until it expires', async () => {
    const agentId = await agentOf();
    const place = await placed(acme.tenant.id);
    const keyring = await keyringOf(place);
    const told = { agentId, role: 'user' as const, text: 'once', idempotencyKey: 'run/step' };
    const twice = await Promise.all(
      [1, 2, 3].map(() => inTenant(place, ({ sql }) => remember(sql, keyring, told))),
    );
    assert.equal(new Set(twice.map(({ id }) => id)).size, 1);
    await tell(agentId, 'again', { idempotencyKey: 'run/step' });
    await tell(agentId, 'later', { conversationId: twice[0]?.conversationId });
    await inTenant(place, async ({ sql }) => {
      await remember(sql, keyring, {
        agentId,
        role: 'note',
        text: 'over',
        expiresAt: new Date(Date.now() - 1_000),
      });
      const texts = async (more: object) =>
        (await recall(sql, keyring, { agentId, limit: 10, ...more })).map(({ text }) => text);
      assert.deepEqual(await texts({}), ['once', 'later']);
      assert.deepEqual(await texts({ limit: 1 }), ['later']);
    });
    assert.deepEqual(await found(agentId, 'q=over'), []);
  });
});
