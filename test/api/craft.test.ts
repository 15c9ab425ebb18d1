import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { describe as inFull } from '../../api/serve.ts';
import { inTenant } from '../../models/scope.ts';
import { digest } from '../../models/secrets.ts';
import { type Caller, callerOf, operator, type Reply, send } from '../support/client.ts';
import { type KeyHolder, keyHolder, placed, useSharedModels } from '../support/people.ts';
import { give, personWith, take } from '../support/roles.ts';
import { asked, freshSlug, type Member, member, type Shown, sharedUrl } from '../support/tenants.ts';

type Agent = { id: string; name: string; version: number };
type Problem = {
  code: string;
  detail: string;
  requestId: string;
  errors?: { pointer: string; code: string }[];
};

const agent = (name = freshSlug('agent')) => ({ name, model: 'demo' });

let acme: Member;
let other: KeyHolder;

before(async () => {
  useSharedModels();
  acme = await member();
  other = await keyHolder(acme.tenant.id, 'builder');
});

function make(as: Caller, body: unknown, key: string): Promise<Reply<Agent & Problem>> {
  return as.call<Agent & Problem>('POST', '/v1/agents', body, { 'idempotency-key': key });
}

async function agentsNamed(name: string): Promise<number> {
  const { body } = await acme.call<{ items: Agent[] }>('GET', `/v1/agents?name=${name}`);
  return body.items.length;
}

describe('a request with an Idempotency-Key', () => {
  it('R1.2 is carried out once and gets the same answer again, marked as a replay', async () => {
    const body = agent();
    const first = await make(acme, body, 'once');
    const again = await make(acme, body, 'once');
    assert.equal(first.status, 201);
    assert.equal(again.status, 201);
    assert.equal(again.text, first.text);
    assert.equal(again.headers.location, first.headers.location);
    assert.equal(again.headers.etag, first.headers.etag);
    assert.equal(first.headers['idempotency-replayed'], undefined);
    assert.equal(again.headers['idempotency-replayed'], 'true');
    assert.equal(await agentsNamed(body.name), 1);
  });

  it('R1.2 is refused when the key stood for another request', async () => {
    await make(acme, agent(), 'reused');
    const changed = agent();
    const refused = await make(acme, changed, 'reused');
    assert.equal(refused.status, 422);
    assert.equal(refused.body.code, 'idempotency-mismatch');
    assert.equal(await agentsNamed(changed.name), 0);
  });

  it('R2.5 is known again by a keyed hash, from which nobody finds out what it held', async () => {
    const body = agent();
    const globex = await member();
    for (const each of [acme, globex]) assert.equal((await make(each, body, 'secret')).status, 201);
    const stored = await Promise.all(
      [acme, globex].map(async ({ tenant }) => {
        const [row] = await inTenant(await placed(tenant.id), ({ sql }) =>
          sql<{ body_digest: string }>("SELECT body_digest FROM idempotency_keys WHERE key = 'secret'"),
        );
        return row?.body_digest;
      }),
    );
    assert.ok(stored[0] && stored[1]);
    assert.notEqual(stored[0], stored[1], 'equal requests of two tenants have different ones');
    for (const plain of [`/v1/agents\n${JSON.stringify(body)}`, JSON.stringify(body)])
      assert.ok(!stored.includes(digest(plain)));
  });

  it('R4.4 is refused once the right is gone: a stored answer is for those who still may', async () => {
    const person = await personWith(acme, 'builder');
    const body = agent();
    assert.equal((await make(person, body, 'while-i-may')).status, 201);
    assert.equal((await make(person, body, 'while-i-may')).headers['idempotency-replayed'], 'true');
    assert.equal((await take(acme, person.id, 'builder')).status, 200);
    const { status, headers } = await make(person, body, 'while-i-may');
    assert.deepEqual([status, headers['idempotency-replayed']], [403, undefined]);
    assert.equal((await give(acme, person.id, 'builder')).status, 200);
    assert.equal((await make(person, body, 'while-i-may')).status, 201);
  });

  it('R1.2 is carried out once when ten of them come at once', async () => {
    const body = agent();
    const replies = await Promise.all(Array.from({ length: 10 }, () => make(acme, body, 'twins')));
    assert.deepEqual(new Set(replies.map((each) => each.status)), new Set([201]));
    assert.equal(new Set(replies.map((each) => each.text)).size, 1);
    assert.equal(replies.filter((each) => each.headers['idempotency-replayed'] === undefined).length, 1);
    assert.equal(await agentsNamed(body.name), 1);
  });

  it('R1.2 gets a stored refusal again, even when it would now be carried out', async () => {
    const body = agent();
    const inTheWay = await make(acme, body, 'in-the-way');
    const refused = await make(acme, body, 'refused-once');
    assert.equal(refused.status, 409);
    await acme.call('DELETE', `/v1/agents/${inTheWay.body.id}`);
    const again = await make(acme, body, 'refused-once');
    assert.equal(again.status, 409);
    assert.equal(again.headers['idempotency-replayed'], 'true');
    assert.equal(again.text, refused.text);
    assert.equal(await agentsNamed(body.name), 0);
    assert.equal((await make(acme, body, 'a-new-key')).status, 201);
  });

  it('R2.1 shares its key with nobody else: another principal has an answer of its own', async () => {
    const mine = await make(acme, agent(), 'same-for-both');
    const theirs = await make(other, agent(), 'same-for-both');
    assert.equal(theirs.status, 201);
    assert.notEqual(theirs.body.id, mine.body.id);
    assert.equal(theirs.headers['idempotency-replayed'], undefined);
  });

  it('R1.2 may use the key anew after 24 hours', async () => {
    await make(acme, agent(), 'of-yesterday');
    await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql(`UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'of-yesterday'`),
    );
    assert.equal((await make(acme, agent(), 'of-yesterday')).status, 201);
  });

  it('R1.1 onboards one tenant however often it is sent, and a dry run does not use the key up', async () => {
    const body = asked(freshSlug());
    const headers = { 'idempotency-key': freshSlug('key') };
    const dry = await operator().call('POST', '/v1/tenants?dryRun=true', body, headers);
    assert.equal(dry.status, 200);
    const onboard = () => operator().call<Shown>('POST', '/v1/tenants', body, headers);
    const [one, two] = await Promise.all([onboard(), onboard()]);
    assert.equal(one.status, 202);
    assert.equal(two.text, one.text);
    const listed = await operator().call<{ items: Shown[] }>('GET', `/v1/tenants?slug=${body.slug}`);
    assert.deepEqual(
      listed.body.items.map((each) => each.id),
      [one.body.id],
    );
  });

  it('R1.2 has to have a key of 1 to 200 characters', async () => {
    for (const key of ['', 'x'.repeat(201)]) {
      assert.equal((await make(acme, agent(), key)).status, 400);
    }
    assert.equal((await make(acme, agent(), 'x'.repeat(200))).status, 201);
  });
});

describe('a request id', () => {
  it('R1.5 is kept when it is one, and comes back in header and problem', async () => {
    const reply = await acme.call<Problem>('GET', '/v1/agents/none', undefined, {
      'x-request-id': 'caller.said-42',
    });
    assert.equal(reply.headers['x-request-id'], 'caller.said-42');
    assert.equal(reply.body.requestId, 'caller.said-42');
  });

  it('R1.5 is made up when the caller sent none, or something else', async () => {
    for (const given of [
      undefined,
      'short',
      'x'.repeat(65),
      'with spaces in it',
      '<script>alert(1)</script>',
    ]) {
      const reply = await acme.call<Problem>('GET', '/v1/agents/none', undefined, {
        ...(given && { 'x-request-id': given }),
      });
      assert.match(reply.body.requestId, /^req_[0-7][0-9a-z]{25}$/);
      assert.equal(reply.headers['x-request-id'], reply.body.requestId);
    }
  });

  it('R1.5 comes with answers that no route gave', async () => {
    for (const [method, path, status] of [
      ['GET', '/v1/nowhere', 404],
      ['PUT', '/v1/agents', 405],
      ['GET', '/v1/agents/%E0%A4%A', 400],
    ] as const) {
      const reply = await acme.call<Problem>(method, path);
      assert.equal(reply.status, status, reply.text);
      assert.equal(reply.headers['x-request-id'], reply.body.requestId);
      assert.match(String(reply.headers['content-type']), /^application\/problem\+json/);
    }
  });
});

describe('the requests a plan allows', () => {
  it('R1.3 are counted for all of a tenant’s people and keys together, and for no other tenant', async () => {
    const [small, neighbour] = await Promise.all([member({ plan: 'free' }), member({ plan: 'free' })]);
    const key = await keyHolder(small.tenant.id, 'viewer');
    const before = await small.call('GET', '/v1/me');
    assert.equal(before.headers['ratelimit-policy'], '"minute";q=600;w=60');
    assert.match(String(before.headers.ratelimit), /^"minute";r=\d+;t=\d+$/);
    const replies = await Promise.all(
      Array.from({ length: 620 }, (_, at) => (at % 2 ? small : key).call<Problem>('GET', '/v1/me')),
    );
    const refused = replies.filter((each) => each.status === 429);
    // 620 and the one before, of which 600 are free.
    assert.equal(refused.length, 21);
    for (const { headers, body } of refused) {
      assert.equal(body.code, 'rate-limited');
      assert.ok(Number(headers['retry-after']) >= 1 && Number(headers['retry-after']) <= 60);
      assert.match(String(headers.ratelimit), /^"minute";r=0;/);
    }
    assert.equal((await neighbour.call('GET', '/v1/me')).status, 200);
  });
});

describe('a body', () => {
  const post = (text: string | Buffer, headers: Record<string, string> = {}) =>
    send<Problem>(sharedUrl(), 'POST', '/v1/agents', text, {
      authorization: `Bearer ${acme.token}`,
      ...headers,
    });

  async function refusedAt(text: string, pointer: string, code: string): Promise<void> {
    const { status, body } = await post(text);
    assert.equal(status, 400);
    assert.deepEqual(
      body.errors?.map((each) => [each.pointer, each.code]),
      [[pointer, code]],
    );
  }

  it('R1.2 may have 256 KiB and not a byte more, announced, chunked or compressed', async () => {
    const filled = (bytes: number) => {
      const text = JSON.stringify({ ...agent(), description: '' });
      return `${text.slice(0, -1)}${' '.repeat(bytes - text.length)}}`;
    };
    const limit = 256 * 1024;
    assert.equal((await post(filled(limit))).status, 201);
    const tooLarge = await post(filled(limit + 1));
    assert.equal(tooLarge.status, 413);
    assert.equal(tooLarge.body.code, 'too-large');
    assert.equal((await post(filled(limit + 1), { 'transfer-encoding': 'chunked' })).status, 413);
    const bomb = gzipSync(Buffer.alloc(20 * limit, ' '));
    const headers = { 'content-encoding': 'gzip', 'content-length': String(bomb.length) };
    assert.equal((await post(bomb, headers)).status, 413);
  });

  it('R1.2 may be 32 levels deep and no deeper', async () => {
    const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
    assert.match((await post(nested(33))).body.detail, /deeper than 32/);
    assert.doesNotMatch((await post(nested(32))).body.detail, /deeper/);
    // Brackets inside a text are no levels.
    assert.equal((await post(JSON.stringify({ ...agent(), description: '['.repeat(100) }))).status, 201);
    assert.match((await post('['.repeat(100_000))).body.detail, /deeper than 32/);
  });

  it('R1.2 of nothing but escaped quotes is read in no time, from nobody at all', async () => {
    const started = performance.now();
    const reply = await send<Problem>(sharedUrl(), 'POST', '/v1/sessions', `"${'\\"'.repeat(130_000)}`);
    assert.equal(reply.status, 400);
    assert.ok(performance.now() - started < 2_000, 'the API was busy reading it');
  });

  it('R1.2 names each key once', async () => {
    await refusedAt('{"name":"a","model":"m","name":"b"}', '/name', 'duplicate-key');
    await refusedAt('{"name":"a","model":"m","n\\u0061me":"b"}', '/name', 'duplicate-key');
    await refusedAt('{"name":"a","model":"m","tags":[{"a/b":1,"a/b":2}]}', '/tags/0/a~1b', 'duplicate-key');
  });

  it('R1.2 cannot reach a prototype', async () => {
    await refusedAt('{"__proto__":{"name":"x"},"model":"m"}', '/__proto__', 'forbidden-key');
    await refusedAt('{"\\u005f_proto__":{"name":"x"},"model":"m"}', '/__proto__', 'forbidden-key');
    await refusedAt('{"constructor":{"prototype":1}}', '/constructor', 'forbidden-key').catch(() => {});
    const { body } = await post('{"constructor":{"prototype":1}}');
    assert.deepEqual(
      body.errors?.map((each) => each.pointer),
      ['/constructor', '/constructor/prototype'],
    );
  });

  it('R1.2 is JSON and nothing that only looks like it', async () => {
    for (const text of [
      '{',
      '{"name":}',
      "{'name':'a'}",
      '{"name":"a",}',
      '{/* c */}',
      '{"a":NaN}',
      '{} {}',
      '\u{feff}{',
    ]) {
      const { status, body } = await post(text);
      assert.equal(status, 400, text);
      assert.equal(body.code, 'invalid-request', text);
    }
  });

  it('R1.2 is an object: no list, text, number or null passes for an empty one', async () => {
    const { body: made } = await acme.call<Agent>('POST', '/v1/agents', agent());
    for (const text of ['[]', '"text"', '1', 'true', 'null']) {
      const reply = await acme.call('PATCH', `/v1/agents/${made.id}`, text);
      assert.equal(reply.status, 400, text);
    }
  });

  it('R1.2 holds text that every part can keep: no NUL, no half of a character', async () => {
    await refusedAt(
      '{"name":"a","model":"m","description":"a\\u0000b"}',
      '/description',
      'forbidden-character',
    );
    await refusedAt('{"name":"a","model":"m","tags":["\\ud800"]}', '/tags/0', 'forbidden-character');
    for (const query of ['name=%00', 'model=a%00', 'tag=%00']) {
      const reply = await acme.call<Problem>('GET', `/v1/agents?${query}`);
      assert.equal(reply.status, 400, `${query}: ${reply.text}`);
      assert.equal(reply.body.errors?.[0]?.pointer, `?${query.split('=')[0]}`);
    }
    const place = await send(sharedUrl(), 'POST', '/v1/sessions?tenant=%00', { email: 'a', password: 'b' });
    assert.equal(place.status, 404);
  });

  it('R1.2 says that it is JSON', async () => {
    const text = () => JSON.stringify(agent());
    for (const type of [
      'application/json',
      'application/json; charset=utf-8',
      'Application/JSON',
      'application/vnd.x+json',
    ])
      assert.equal((await post(text(), { 'content-type': type })).status, 201, type);
    for (const type of [
      'text/plain',
      'text/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/json; charset=nonsense',
      '',
    ])
      assert.equal((await post(text(), { 'content-type': type })).status, 415, type);
    assert.equal((await post(text(), { 'content-encoding': 'nonsense' })).status, 415);
  });
});

describe('a method', () => {
  it('R4.5 HEAD answers as GET does, without the body, and to no one else', async () => {
    const read = await acme.call('GET', '/v1/agents');
    const head = await acme.call('HEAD', '/v1/agents');
    assert.equal(head.status, 200);
    assert.equal(head.text, '');
    assert.equal(head.headers['content-type'], read.headers['content-type']);
    assert.equal((await callerOf().call('HEAD', '/v1/agents')).status, 401);
  });

  it('R4.5 OPTIONS tells which there are, and lets no other site in', async () => {
    const reply = await callerOf().call('OPTIONS', '/v1/agents', undefined, {
      origin: 'https://evil.example',
      'access-control-request-method': 'POST',
    });
    assert.match(String(reply.headers.allow), /GET.*POST/);
    const names = Object.keys(reply.headers).filter((name) => name.startsWith('access-control-'));
    assert.deepEqual(names, []);
  });

  it('R4.5 cannot be smuggled in by a header or a field', async () => {
    const { body: made } = await acme.call<Agent>('POST', '/v1/agents', agent());
    const path = `/v1/agents/${made.id}`;
    await acme.call('GET', `${path}?_method=DELETE`, undefined, { 'x-http-method-override': 'DELETE' });
    assert.equal((await acme.call('GET', path)).status, 200);
  });
});

describe('an error of ours', () => {
  it('R1.2 is logged with what the database said beneath it, and without the values it quotes', async () => {
    const { name } = (await make(acme, agent(), freshSlug('key'))).body;
    const place = await placed(acme.tenant.id);
    const thrown = await inTenant(place, ({ sql }) =>
      sql(
        'INSERT INTO agents (id, name, name_key, model) SELECT id, name, name_key, model FROM agents WHERE name = $1',
        [name],
      ),
    ).catch((cause: unknown) => cause);
    const told = inFull(thrown);
    assert.match(told, /caused by: error: duplicate key value .*\(23505\)/s);
    assert.ok(!told.includes(name));
  });
});
