import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { inTenant } from '../../models/scope.ts';
import { keyHolder, placed, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, twoTenants } from '../support/tenants.ts';

type Fault = { pointer: string; code: string; detail: string };
type Workflow = {
  id: string;
  name: string;
  definition: { steps: { id: string }[] };
  liveVersion: number | null;
  version: number;
  ownerId: string;
};
type Problem = { code: string; errors?: Fault[] };

const condition = (id: string, more: object = {}) => ({ id, kind: 'condition', if: 'true', ...more });

describe('workflows', () => {
  let acme: Member;
  let globex: Member;
  let agentId: string;

  const make = async (steps: object[], more: object = {}, as = acme): Promise<Workflow> => {
    const reply = await as.call<Workflow>('POST', '/v1/workflows', {
      name: freshSlug('flow'),
      definition: { steps, ...more },
    });
    assert.equal(reply.status, 201, reply.text);
    return reply.body;
  };
  const faultsOf = async (steps: object[], more: object = {}): Promise<Fault[]> => {
    const reply = await acme.call<{ faults: Fault[] }>('POST', '/v1/workflows/checks', {
      definition: { steps, ...more },
    });
    assert.equal(reply.status, 200, reply.text);
    return reply.body.faults;
  };
  const places = (faults: Fault[]) => faults.map(({ pointer, code }) => `${pointer} ${code}`);
  const publish = (id: string) =>
    acme.call<{ liveVersion: number } & Problem>('POST', `/v1/workflows/${id}/versions`, {});

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
    const outputSchema = {
      type: 'object',
      properties: { score: { type: 'number' }, tags: { type: 'array', items: { type: 'string' } } },
    };
    agentId = (
      await acme.call<{ id: string }>('POST', '/v1/agents', { name: 'judge', model: 'demo', outputSchema })
    ).body.id;
  });

  it('R2.2 are made, changed by who saw their version, listed and removed', async () => {
    const made = await make([condition('a')]);
    const path = `/v1/workflows/${made.id}`;
    assert.equal((await acme.call('PATCH', path, { description: 'x' }, { 'if-match': '"9"' })).status, 412);
    const changed = await acme.call<Workflow>(
      'PATCH',
      path,
      { definition: { steps: [condition('b')] } },
      { 'if-match': '"1"' },
    );
    assert.deepEqual([changed.status, changed.body.version, changed.body.name], [200, 2, made.name]);
    const read = await acme.call<Workflow>('GET', path);
    assert.deepEqual([read.body.definition.steps[0]?.id, read.headers.etag], ['b', '"2"']);
    const { body: listed } = await acme.call<{ items: Workflow[] }>(
      'GET',
      `/v1/workflows?name=${made.name.toUpperCase()}`,
    );
    assert.deepEqual(
      listed.items.map(({ id }) => id),
      [made.id],
    );
    assert.equal(
      (await acme.call('POST', '/v1/workflows', { name: made.name, definition: { steps: [condition('a')] } }))
        .status,
      409,
    );
    assert.equal((await acme.call('DELETE', path)).status, 204);
    assert.equal((await acme.call('GET', path)).status, 404);
  });

  it('R2.2 belong to one tenant: another finds none of them, and cannot run them as a part', async () => {
    const theirs = await make([condition('a')], {}, globex);
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['PATCH', '', { description: 'x' }],
      ['DELETE', '', undefined],
      ['GET', '/checks', undefined],
      ['GET', '/versions', undefined],
      ['POST', '/versions', {}],
      ['PUT', '/live', { version: 1, reason: 'x' }],
    ] as const)
      assert.equal(
        (await acme.call(method, `/v1/workflows/${theirs.id}${path}`, body)).status,
        404,
        method + path,
      );
    const faults = await faultsOf([{ id: 'sub', kind: 'workflow', workflowId: theirs.id }]);
    assert.deepEqual(places(faults), ['/steps/0/workflowId unknown']);
    const place = await placed(acme.tenant.id);
    const own = await make([condition('a')]);
    await publish(own.id);
    await assert.rejects(
      inTenant(place, ({ sql }) =>
        sql('INSERT INTO workflow_uses VALUES ($1, 1, $2, NULL, $2)', [own.id, theirs.id]),
      ),
      /foreign key/,
    );
  });

  it('R2.2 have every fault listed at once, each with its place', async () => {
    const faults = await faultsOf(
      [
        {
          id: 'a',
          kind: 'agent',
          agentId: 'agt_01h455vb4pex5vsknk084sn02q',
          prompt: '{{ input.nam }} {{ oops',
        },
        {
          id: 'b',
          kind: 'tool',
          integrationId: 'int_01h455vb4pex5vsknk084sn02q',
          method: 'GET',
          path: '/{{ input.name }}',
          after: ['nobody'],
          body: { deep: ['{{ steps.c.output }}'] },
        },
        { id: 'c', kind: 'approval', role: 'nobody', question: 'Sure?', when: 'input.name' },
        { id: 'c', kind: 'condition', if: 'size(input.name) + "x"' },
        {
          id: 'm',
          kind: 'map',
          over: 'input.name',
          steps: [{ id: 'inner', kind: 'condition', if: 'index > 1 && item.x == process' }],
        },
        { id: 'l', kind: 'loop', until: 'steps.again.output', maxIterations: 3, steps: [condition('again')] },
      ],
      {
        inputSchema: { type: 'object', properties: { name: { type: 'string' } } },
        output: { x: '{{ steps.zzz.output }}' },
      },
    );
    assert.deepEqual(places(faults).toSorted(), [
      '/output/x invalid-expression',
      '/steps/0/agentId unknown',
      '/steps/0/prompt invalid-expression',
      '/steps/1/after/0 unknown-step',
      '/steps/1/body/deep/0 invalid-expression',
      '/steps/1/integrationId unknown',
      '/steps/2/role unknown',
      '/steps/2/when wrong-type',
      '/steps/3/id duplicate',
      '/steps/3/if invalid-expression',
      '/steps/4/over wrong-type',
      '/steps/4/steps/0/if invalid-expression',
    ]);
    const detail = (pointer: string) => faults.find((each) => each.pointer === pointer)?.detail ?? '';
    assert.match(detail('/steps/1/body/deep/0'), /The step c does not come before this one/);
    assert.match(detail('/steps/2/when'), /must come to true or false/);
  });

  it('R2.2 have a circle told by the way round it, and steps that can never run', async () => {
    const faults = await faultsOf([
      condition('a', { after: ['c'] }),
      condition('b', { after: ['a'] }),
      condition('c', { after: ['b'] }),
      condition('d', { when: '1 > 2' }),
      condition('e', { after: ['d'] }),
    ]);
    assert.deepEqual(places(faults), [
      '/steps/0/after cycle',
      '/steps/3 unreachable',
      '/steps/4 unreachable',
    ]);
    assert.match(faults[0]?.detail ?? '', /a → b → c → a/);
  });

  it('R2.2 have references checked against what an agent answers by its schema', async () => {
    const ask = { id: 'ask', kind: 'agent', agentId, prompt: 'judge' };
    assert.deepEqual(
      await faultsOf([
        ask,
        condition('good', {
          after: ['ask'],
          if: 'steps.ask.output.score > 3 && "x" in steps.ask.output.tags',
        }),
      ]),
      [],
    );
    const wrong = await faultsOf([
      ask,
      condition('typo', { after: ['ask'], if: 'steps.ask.output.skore > 3' }),
      condition('kind', { after: ['ask'], if: 'steps.ask.output.tags > 3' }),
      {
        id: 'each',
        kind: 'map',
        after: ['ask'],
        over: 'steps.ask.output.tags',
        steps: [condition('text', { if: 'item + 1 == 2' })],
      },
    ]);
    assert.deepEqual(places(wrong), [
      '/steps/1/if invalid-expression',
      '/steps/2/if invalid-expression',
      '/steps/3/steps/0/if invalid-expression',
    ]);
  });

  it('R2.2 may not run themselves without an end, directly or by way of others', async () => {
    const first = await make([condition('a')]);
    const second = await make([{ id: 'sub', kind: 'workflow', workflowId: first.id }]);
    assert.equal((await publish(second.id)).status, 201);
    const sub = (more: object = {}) => [{ id: 'sub', kind: 'workflow', workflowId: second.id, ...more }];
    const patch = (steps: object[]) =>
      acme.call('PATCH', `/v1/workflows/${first.id}`, { definition: { steps } });
    await patch(sub());
    const refused = await publish(first.id);
    assert.equal(refused.status, 422);
    assert.match(
      refused.body.errors?.[0]?.detail ?? '',
      new RegExp(`${first.id} → ${second.id} → ${first.id}`),
    );
    await patch([{ id: 'me', kind: 'workflow', workflowId: first.id }]);
    assert.equal((await publish(first.id)).status, 422);
    await patch([{ id: 'me', kind: 'workflow', workflowId: first.id, when: 'input.more' }]);
    assert.equal((await publish(first.id)).status, 201, 'a condition may end it');
  });

  it('R2.2 are published without faults only, in versions that stay, and taken back with a reason', async () => {
    const { id } = await make([condition('a', { after: ['nobody'] })]);
    const refused = await publish(id);
    assert.equal(refused.status, 422);
    assert.deepEqual(
      refused.body.errors?.map(({ pointer }) => pointer),
      ['/steps/0/after/0'],
    );
    const { body: checks } = await acme.call<{ faults: Fault[] }>('GET', `/v1/workflows/${id}/checks`);
    assert.deepEqual(checks.faults, refused.body.errors);
    await acme.call('PATCH', `/v1/workflows/${id}`, { definition: { steps: [condition('a')] } });
    assert.equal((await publish(id)).body.liveVersion, 1);
    await acme.call('PATCH', `/v1/workflows/${id}`, {
      definition: { steps: [condition('a', { if: 'false' })] },
    });
    assert.equal((await publish(id)).body.liveVersion, 2);
    const { body: diff } = await acme.call<{ differences: object[] }>(
      'GET',
      `/v1/workflows/${id}/versions/2?against=1`,
    );
    assert.deepEqual(diff.differences, [{ pointer: '/steps/0/if', before: 'true', after: 'false' }]);
    assert.equal(
      (await acme.call('PUT', `/v1/workflows/${id}/live`, { version: 1, reason: 'back' })).status,
      200,
    );
    assert.equal((await acme.call<Workflow>('GET', `/v1/workflows/${id}`)).body.liveVersion, 1);
    const viewer = await keyHolder(acme.tenant.id, 'viewer');
    assert.equal((await viewer.call('POST', `/v1/workflows/${id}/versions`, {})).status, 403);
  });

  it('R2.2 keep what their versions run from being removed', async () => {
    const { body: agent } = await acme.call<{ id: string }>('POST', '/v1/agents', {
      name: freshSlug('agent'),
      model: 'demo',
    });
    const { id } = await make([{ id: 'ask', kind: 'agent', agentId: agent.id, prompt: 'x' }]);
    await publish(id);
    assert.equal((await acme.call('DELETE', `/v1/agents/${agent.id}`)).status, 409);
    assert.equal((await acme.call('DELETE', `/v1/workflows/${id}`)).status, 204);
    assert.equal((await acme.call('DELETE', `/v1/agents/${agent.id}`)).status, 204);
  });

  it('R2.2 tell editors their form as a JSON Schema, by which what is accepted is right', async () => {
    const { body: schema } = await acme.call<object>('GET', '/v1/workflows/schema');
    const validate = new Ajv2020({ strict: false }).compile(schema);
    const steps = [
      { id: 'ask', kind: 'agent', agentId, prompt: 'hello', position: { x: 1, y: 2 } },
      { id: 'each', kind: 'map', over: 'input.list', after: ['ask'], steps: [condition('in_it')] },
    ];
    assert.ok(validate({ steps }), JSON.stringify(validate.errors));
    assert.ok(!validate({ steps: [{ id: 'x', kind: 'nonsense' }] }));
    assert.ok(!validate({ steps: [{ id: 'each', kind: 'map', over: 'x', steps: [{ id: 'y' }] }] }));
  });

  it('R2.5 stand sealed in the tables', async () => {
    const { id } = await make([{ id: 'ask', kind: 'agent', agentId, prompt: 'canary-of-a-flow' }]);
    await publish(id);
    const rows = await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql(
        'SELECT w::text AS one, v::text AS two FROM workflows w JOIN workflow_versions v ON v.workflow_id = w.id WHERE w.id = $1',
        [id],
      ),
    );
    const text = JSON.stringify(rows);
    assert.ok(
      rows.length === 1 &&
        !text.includes('canary-of-a-flow') &&
        !text.includes(Buffer.from('canary-of-a-flow').toString('hex')),
    );
  });
});
