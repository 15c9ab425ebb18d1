import assert from 'node:assert/strict';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { agentVersion } from '../../models/tenant/agent-version.ts';
import { keyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, twoTenants } from '../support/tenants.ts';

type Agent = {
  id: string;
  instructions?: string;
  tools: object[];
  liveVersion: number | null;
  version: number;
};
type Problem = { code: string; errors?: { pointer: string; detail: string }[] };
type Version = {
  version: number;
  definition: Record<string, unknown>;
  differences?: { pointer: string; before?: unknown; after?: unknown }[];
};
type Listed = {
  items: { version: number; live: boolean; note: string; publishedBy: string }[];
  nextCursor: string | null;
};

const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

describe('versions of agents', () => {
  let acme: Member;
  let globex: Member;

  const make = async (more: object = {}, as = acme): Promise<Agent> => {
    const reply = await as.call<Agent>('POST', '/v1/agents', {
      name: freshSlug('agent'),
      model: 'demo',
      ...more,
    });
    assert.equal(reply.status, 201, reply.text);
    return reply.body;
  };
  const publish = (id: string, as = acme, query = '') =>
    as.call<{ liveVersion: number } & Problem>('POST', `/v1/agents/${id}/versions${query}`, {
      note: 'why it changed',
    });

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
  });

  it('R2.2 are what the draft was when it was published, whatever becomes of the draft', async () => {
    const { id } = await make({ instructions: 'first', temperature: 0.5, limits: { steps: 7 } });
    const made = await publish(id);
    assert.equal(made.status, 201, made.text);
    assert.equal(made.headers.location, `/v1/agents/${id}/versions/1`);
    await acme.call('PATCH', `/v1/agents/${id}`, { instructions: 'second', temperature: null });
    const { body: one } = await acme.call<Version>('GET', `/v1/agents/${id}/versions/1?against=draft`);
    assert.equal(one.definition.instructions, 'first');
    assert.deepEqual(one.definition.limits, { steps: 7, minutes: 60, tokens: 1_000_000, depth: 4 });
    assert.deepEqual(one.differences, [
      { pointer: '/instructions', before: 'second', after: 'first' },
      { pointer: '/temperature', after: 0.5 },
    ]);
    assert.equal((await publish(id)).body.liveVersion, 2);
    const { body: listed } = await acme.call<Listed>('GET', `/v1/agents/${id}/versions`);
    assert.deepEqual(
      listed.items.map(({ version, live, note }) => [version, live, note]),
      [
        [2, true, 'why it changed'],
        [1, false, 'why it changed'],
      ],
    );
    const declared = ['live', 'note', 'publishedAt', 'publishedBy', 'version'];
    assert.deepEqual(Object.keys(listed.items[0] ?? {}).sort(), declared);
    const { body: page } = await acme.call<Listed>('GET', `/v1/agents/${id}/versions?limit=1`);
    const { body: next } = await acme.call<Listed>(
      'GET',
      `/v1/agents/${id}/versions?limit=1&cursor=${page.nextCursor}`,
    );
    assert.deepEqual([page.items[0]?.version, next.items[0]?.version, next.nextCursor], [2, 1, null]);
    assert.equal((await acme.call('GET', `/v1/agents/${id}/versions/9`)).status, 404);
  });

  it('R4.5 numbers greater than any version are answered, wherever one asks with a number', async () => {
    const { id } = await make();
    for (const path of [
      `/v1/agents/${id}/versions`,
      '/v1/settings/versions',
      '/v1/settings/runs.maxSteps/versions',
    ]) {
      const reply = await acme.call('GET', `${path}?cursor=999999999999999999`);
      assert.equal(reply.status, 200, reply.text);
    }
    const asked = { agentId: id, version: Number.MAX_SAFE_INTEGER };
    assert.equal((await acme.call('POST', '/v1/runs', asked)).status, 400);
  });

  it('R2.2 go back to an older one by somebody who saw the present state, with a reason in the trail', async () => {
    const { id } = await make({ instructions: 'one' });
    await publish(id);
    await acme.call('PATCH', `/v1/agents/${id}`, { instructions: 'two' });
    await publish(id);
    const live = (body: object, ifMatch?: string) =>
      acme.call<Problem>('PUT', `/v1/agents/${id}/live`, body, { ...(ifMatch && { 'if-match': ifMatch }) });
    const { body: before } = await acme.call<Agent>('GET', `/v1/agents/${id}`);
    assert.equal((await live({ version: 1, reason: 'two was worse' }, '"1"')).status, 412);
    assert.equal((await live({ version: 1 })).status, 400);
    assert.equal((await live({ version: 7, reason: 'x' })).status, 422);
    assert.equal((await live({ version: 1, reason: 'two was worse' }, `"${before.version}"`)).status, 200);
    const { body: after } = await acme.call<Agent>('GET', `/v1/agents/${id}`);
    assert.deepEqual([after.liveVersion, after.instructions], [1, 'two'], 'the draft stays');
    const place = await placed(acme.tenant.id);
    const keyring = await keyringOf(place);
    const running = await inTenant(place, ({ sql }) => agentVersion(sql, keyring, id, 'live'));
    assert.deepEqual([running.version, running.definition.instructions], [1, 'one']);
    const [event] = await inTenant(place, ({ sql }) =>
      sql(
        'SELECT action, reason, details FROM audit_events WHERE subject_id = $1 ORDER BY seq DESC LIMIT 1',
        [id],
      ),
    );
    assert.deepEqual(event, {
      action: 'publish Agent',
      reason: 'two was worse',
      details: { liveVersion: 1 },
    });
  });

  it('R2.2 are not made from a draft with faults; each is listed with its place', async () => {
    const { body: foreign } = await globex.call<Agent>('POST', '/v1/agents', {
      name: 'theirs',
      model: 'demo',
    });
    const { body: provider } = await globex.call<{ id: string }>('POST', '/v1/llm-providers', {
      name: 'Demo',
      kind: 'demo',
      region: 'US',
    });
    const { id } = await make({
      providerId: provider.id,
      tools: [
        { kind: 'hand-off', name: 'ask', description: '', agentId: foreign.id },
        {
          kind: 'integration',
          name: 'weather',
          description: '',
          integrationId: 'int_01h455vb4pex5vsknk084sn02q',
          method: 'GET',
          path: '/w/{city}',
          inputSchema: schema,
        },
      ],
    });
    const refused = await publish(id);
    assert.equal(refused.status, 422, refused.text);
    assert.deepEqual(
      refused.body.errors?.map(({ pointer }) => pointer),
      ['/tools/0/agentId', '/tools/1/integrationId', '/providerId'],
    );
    assert.match(refused.body.errors?.[0]?.detail ?? '', /There is no agent agt_/);
    const { body: agent } = await acme.call<Agent>('GET', `/v1/agents/${id}`);
    assert.equal(agent.liveVersion, null);
  });

  it('R2.2 refuse tools of one name, schemas that are none, and arguments nobody declared, all at once', async () => {
    const integrationId = 'int_01h455vb4pex5vsknk084sn02q';
    const tool = (name: string, path: string, inputSchema: object) => ({
      kind: 'integration',
      name,
      description: '',
      integrationId,
      method: 'GET',
      path,
      inputSchema,
    });
    const reply = await acme.call<Problem>('POST', '/v1/agents', {
      name: freshSlug('agent'),
      model: 'demo',
      tools: [
        tool('a', '/x/{town}', schema),
        tool('a', '/../secret', { type: 'string' }),
        tool('b', '/', { type: 'object', properties: { x: { type: 'nonsense' } } }),
        tool('c', '/', {
          type: 'object',
          properties: { x: { pattern: '(a+)+$' }, pattern: { type: 'string' } },
        }),
        tool('d', '/', { $ref: 'https://evil.example/schema' }),
      ],
      outputSchema: { type: 'object', required: 'city' },
    });
    assert.equal(reply.status, 400);
    assert.deepEqual(
      [...new Set(reply.body.errors?.map(({ pointer }) => pointer))],
      [
        '/tools/0/path',
        '/tools/1/inputSchema/type',
        '/tools/1/path',
        '/tools/2/inputSchema/properties/x/type',
        '/tools/3/inputSchema/properties/x/pattern',
        '/tools/4/inputSchema/$ref',
        '/tools/1/name',
        '/outputSchema/required',
      ],
    );
  });

  it('R6.3 are not made of a model that the settings do not allow', async () => {
    const { id } = await make({ model: 'forbidden-1' });
    const document = JSON.stringify({ 'llm.allowedModels': ['demo*'] });
    await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql(
        `INSERT INTO setting_versions (number, document, author, reason, cause) VALUES (1, $1::jsonb, '{}', 'r', 'change')`,
        [document],
      ),
    );
    const refused = await publish(id);
    assert.deepEqual(
      refused.body.errors?.map(({ pointer }) => pointer),
      ['/model'],
    );
    await acme.call('PATCH', `/v1/agents/${id}`, { model: 'demo-2' });
    assert.equal((await publish(id)).status, 201);
  });

  it('R2.2 say in a dry run what is in the way, and make nothing', async () => {
    const { id } = await make();
    assert.equal((await publish(id, acme, '?dryRun=true')).status, 200);
    assert.deepEqual((await acme.call<Listed>('GET', `/v1/agents/${id}/versions`)).body.items, []);
  });

  it('R2.2 keep an agent from being removed while another’s version hands work to it', async () => {
    const { id: helper } = await make();
    const { id } = await make({
      tools: [{ kind: 'hand-off', name: 'ask', description: 'it knows', agentId: helper }],
    });
    assert.equal((await publish(id)).status, 201);
    assert.equal((await acme.call('DELETE', `/v1/agents/${helper}`)).status, 409);
    assert.equal((await acme.call('DELETE', `/v1/agents/${id}`)).status, 204);
    assert.equal((await acme.call('DELETE', `/v1/agents/${helper}`)).status, 204);
  });

  it('R4.5 hide from a role in every version what they hide of the agent', async () => {
    const { id } = await make({ instructions: 'the recipe' });
    await publish(id);
    const rules = [{ effect: 'deny', action: 'read', subject: 'Agent', fields: ['instructions', 'tools'] }];
    const role = freshSlug('role');
    assert.equal((await acme.call('POST', '/v1/roles', { name: role, title: 'Blind', rules })).status, 201);
    const person = await signedInPerson(acme.tenant.id, 'viewer');
    await acme.call('PUT', `/v1/users/${person.id}/roles/${role}`);
    const reply = await person.call<Version>('GET', `/v1/agents/${id}/versions/1?against=draft`);
    assert.equal(reply.status, 200, reply.text);
    assert.ok(!reply.text.includes('recipe') && !('tools' in reply.body.definition));
  });

  it('R2.5 stand sealed in the tables, drafts and versions alike', async () => {
    const canary = 'canary-of-a-prompt';
    const { id } = await make({ instructions: canary });
    await publish(id);
    const rows = await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql(
        'SELECT a::text AS agent, v::text AS version FROM agents a JOIN agent_versions v ON v.agent_id = a.id WHERE a.id = $1',
        [id],
      ),
    );
    const hex = Buffer.from(canary).toString('hex');
    assert.ok(
      rows.length === 1 && !JSON.stringify(rows).includes(canary) && !JSON.stringify(rows).includes(hex),
    );
  });

  it('R2.5 do not open under another version’s number', async () => {
    const { id } = await make({ instructions: 'one' });
    await publish(id);
    await publish(id);
    const place = await placed(acme.tenant.id);
    const keyring = await keyringOf(place);
    await inTenant(place, async ({ sql }) => {
      await sql(
        'UPDATE agent_versions v SET sealed_definition = o.sealed_definition FROM agent_versions o WHERE v.agent_id = $1 AND o.agent_id = $1 AND v.version = 2 AND o.version = 1',
        [id],
      );
      await assert.rejects(agentVersion(sql, keyring, id, 2));
    });
  });

  it('R2.2 are not there for another tenant, to read, to make or to go back to', async () => {
    const { id } = await make();
    await publish(id);
    for (const [method, path, body] of [
      ['GET', `/v1/agents/${id}/versions`, undefined],
      ['GET', `/v1/agents/${id}/versions/1`, undefined],
      ['POST', `/v1/agents/${id}/versions`, {}],
      ['PUT', `/v1/agents/${id}/live`, { version: 1, reason: 'mine now' }],
    ] as const)
      assert.equal((await globex.call(method, path, body)).status, 404, `${method} ${path}`);
    const operator = await keyHolder(acme.tenant.id, 'operator');
    assert.equal((await operator.call('POST', `/v1/agents/${id}/versions`, {})).status, 403);
  });
});
