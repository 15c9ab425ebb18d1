import assert from 'node:assert/strict';
import { config } from '../../models/databases.ts';
import { inTenant } from '../../models/scope.ts';
import { derive, signature } from '../../models/secrets.ts';
import { type AgentPackage, canonical } from '../../policies/agent-package.ts';
import { keyHolder, placed, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, twoTenants } from '../support/tenants.ts';

type Problem = { code: string; made?: object; errors?: { pointer: string; code: string }[] };
type Made = {
  packageId: string;
  agents: { id: string; name: string }[];
  workflows: { id: string; name: string }[];
};
type Agent = {
  id: string;
  instructions: string;
  tools: Record<string, unknown>[];
  providerId: string;
  ownerId: string;
};

describe('packages', () => {
  let acme: Member;
  let globex: Member;
  let sources: { helper: string; agent: string; workflow: string; provider: string; integration: string };

  const made = async (as: Member, path: string, body: object): Promise<string> => {
    const reply = await as.call<{ id: string }>('POST', `/v1/${path}`, body);
    assert.equal(reply.status, 201, reply.text);
    return reply.body.id;
  };
  const provider = (as: Member) =>
    made(as, 'llm-providers', { name: freshSlug('demo'), kind: 'demo', region: 'EU' });
  const integration = (as: Member) =>
    made(as, 'integrations?validate=false', {
      name: freshSlug('crm'),
      kind: 'http',
      target: { url: 'https://api.example.com/', auth: 'bearer' },
      credential: 'a very secret token',
    });
  const exported = async (body: object = { workflowId: sources.workflow }): Promise<AgentPackage> => {
    const reply = await acme.call<{ package: AgentPackage }>('POST', '/v1/agent-packages', body);
    assert.equal(reply.status, 200, reply.text);
    return reply.body.package;
  };
  const take = (pack: unknown, more: object = {}, query = '', as: Pick<Member, 'call'> = globex) =>
    as.call<Made & Problem>('POST', `/v1/agent-packages/imports${query}`, { package: pack, ...more });
  const codes = (reply: { body: Problem }) =>
    reply.body.errors?.map(({ pointer, code }) => `${pointer} ${code}`);

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
    const [providerId, integrationId] = [await provider(acme), await integration(acme)];
    const helper = await made(acme, 'agents', { name: 'helper', model: 'demo', instructions: 'help' });
    const agent = await made(acme, 'agents', {
      name: 'asker',
      model: 'demo',
      instructions: 'ask',
      providerId,
      tools: [
        { kind: 'hand-off', name: 'help', description: '', agentId: helper },
        {
          kind: 'integration',
          name: 'look',
          description: '',
          integrationId,
          method: 'GET',
          path: '/x',
          inputSchema: { type: 'object', properties: { agentId: { type: 'string' } } },
        },
      ],
    });
    const workflow = await made(acme, 'workflows', {
      name: 'flow',
      definition: {
        steps: [
          { id: 'ask', kind: 'agent', agentId: agent, prompt: 'x' },
          { id: 'call', kind: 'tool', integrationId, method: 'POST', path: '/y', body: { agentId: 'stays' } },
        ],
      },
    });
    sources = { helper, agent, workflow, provider: providerId, integration: integrationId };
  });

  it('R2.2 hold everything that is needed, and no id or secret of the organisation they are from', async () => {
    const pack = await exported();
    assert.deepEqual(
      [pack.agents.map(({ name }) => name).toSorted(), pack.workflows.map(({ name }) => name)],
      [['asker', 'helper'], ['flow']],
    );
    assert.deepEqual(pack.slots.map(({ kind }) => kind).toSorted(), ['integration', 'provider']);
    const text = JSON.stringify(pack);
    for (const absent of [...Object.values(sources), 'secret token'])
      assert.ok(!text.includes(absent), absent);
  });

  it('R2.2 are taken in as drafts of one’s own, bound to what is one’s own', async () => {
    const pack = await exported();
    const [providerId, integrationId] = [await provider(globex), await integration(globex)];
    const bindings = Object.fromEntries(
      pack.slots.map(({ name, kind }) => [name, kind === 'provider' ? providerId : integrationId]),
    );
    const dry = await take(pack, { bindings }, '?dryRun=true');
    assert.equal(dry.status, 200, dry.text);
    assert.equal(
      (await globex.call<{ items: object[] }>('GET', '/v1/agents')).body.items.length,
      0,
      'a dry run makes nothing',
    );
    const taken = await take(pack, { bindings, names: { [pack.root]: 'our flow' } });
    assert.equal(taken.status, 201, taken.text);
    const idOf = (name: string) => taken.body.agents.find((each) => each.name === name)?.id ?? '';
    const { body: agent } = await globex.call<Agent>('GET', `/v1/agents/${idOf('asker')}`);
    assert.deepEqual([agent.instructions, agent.providerId], ['ask', providerId]);
    assert.deepEqual(
      [agent.tools[0]?.agentId, agent.tools[1]?.integrationId],
      [idOf('helper'), integrationId],
    );
    assert.deepEqual(agent.tools[1]?.inputSchema, {
      type: 'object',
      properties: { agentId: { type: 'string' } },
    });
    const { body: flow } = await globex.call<{
      name: string;
      definition: { steps: Record<string, unknown>[] };
    }>('GET', `/v1/workflows/${taken.body.workflows[0]?.id}`);
    assert.deepEqual(
      [flow.name, flow.definition.steps[0]?.agentId, flow.definition.steps[1]?.body],
      ['our flow', agent.id, { agentId: 'stays' }],
    );
    const event = async (as: Member) =>
      inTenant(await placed(as.tenant.id), ({ sql }) =>
        sql('SELECT action, details FROM audit_events WHERE subject_id = $1', [pack.id]),
      );
    const counts = { agents: 2, workflows: 1 };
    assert.deepEqual(await event(acme), [
      {
        action: 'export AgentPackage',
        details: { workflowId: sources.workflow, recipient: null, ...counts },
      },
    ]);
    assert.deepEqual(await event(globex), [
      { action: 'import AgentPackage', details: { exportedBy: acme.tenant.id, ...counts } },
    ]);

    const again = await take(pack, { bindings });
    assert.equal(again.status, 409);
    assert.deepEqual(codes(again), ['/package/id replayed']);
    assert.ok(again.body.made);
  });

  it('R2.2 say which slots have to be bound, and refuse what is not one’s own', async () => {
    const pack = await exported();
    const [first, second] = pack.slots.map(({ name }) => name);
    assert.deepEqual(
      codes(await take(pack))?.toSorted(),
      [`/bindings/${first} unbound`, `/bindings/${second} unbound`].toSorted(),
    );
    const theirs = Object.fromEntries(pack.slots.map(({ name, kind }) => [name, sources[kind]]));
    const foreign = await take(pack, { bindings: { ...theirs, more: 'x' } });
    assert.equal(foreign.status, 422);
    assert.deepEqual(
      codes(foreign)?.toSorted(),
      [`/bindings/${first} unknown`, `/bindings/${second} unknown`, '/bindings/more unknown'].toSorted(),
    );
  });

  it('R2.2 are refused when anything in them was changed, whatever it was', async () => {
    const pack = await exported({ agentId: sources.helper });
    const changed: [string, Partial<AgentPackage>][] = [
      ['id', { id: 'pkg_01h455vb4pex5vsknk084sn02q' }],
      ['expiry', { expiresAt: '2099-01-01T00:00:00.000Z' }],
      ['recipient', { recipient: globex.tenant.id }],
      ['origin', { exportedBy: { tenantId: globex.tenant.id } }],
      [
        'definition',
        {
          agents: pack.agents.map((each) => ({
            ...each,
            definition: { ...each.definition, instructions: 'obey me' },
          })),
        },
      ],
      ['slots', { slots: [{ name: 'provider-1', kind: 'provider', title: 'x' }] }],
      [
        'signature',
        { signature: { ...pack.signature, value: `A${pack.signature.value.slice(1)}`.replace(/^AA/, 'AB') } },
      ],
      ['no signature', { signature: { ...pack.signature, value: '' } }],
    ];
    for (const [what, change] of changed) {
      const reply = await take({ ...pack, ...change });
      assert.deepEqual([reply.status, codes(reply)], [422, ['/package/signature/value tampered']], what);
    }
    const reordered = Object.fromEntries(Object.entries(pack).toReversed());
    const names = { [pack.root]: freshSlug('helper') };
    assert.equal((await take(reordered, { names })).status, 201, 'the order of names is no change');
  });

  it('R2.2 are refused when they are over, for somebody else, of another installation or of another form', async () => {
    const pack = await exported({ agentId: sources.helper });
    const resigned = (change: object): AgentPackage => {
      const { signature: before, ...content } = { ...pack, ...change };
      return {
        ...content,
        signature: {
          ...before,
          value: signature(derive(config().rootKey, 'agent-packages'), canonical(content)),
        },
      };
    };
    assert.deepEqual(codes(await take(resigned({ expiresAt: '2020-01-01T00:00:00.000Z' }))), [
      '/package/expiresAt expired',
    ]);
    const addressed = await exported({ agentId: sources.helper, recipientTenantId: acme.tenant.id });
    assert.deepEqual(codes(await take(addressed)), ['/package/recipient not-for-you']);
    assert.deepEqual(
      codes(await take({ ...pack, signature: { ...pack.signature, keyId: 'installation:other' } })),
      ['/package/signature/keyId foreign'],
    );
    const odd = resigned({
      agents: pack.agents.map((each) => ({ ...each, definition: { nonsense: true } })),
    });
    assert.deepEqual(codes(await take(odd)), ['/package foreign-form']);
    assert.equal((await take({ ...pack, format: 'freehold-agent-package/2' })).status, 400);
    assert.equal(
      (await take({ ...pack, agents: [{ ...pack.agents[0], description: 'x'.repeat(400_000) }] })).status,
      413,
    );
  });

  it('R2.2 need a permission on both sides, and carry out nothing that may not be read', async () => {
    const builder = await keyHolder(acme.tenant.id, 'builder');
    assert.equal((await builder.call('POST', '/v1/agent-packages', { agentId: sources.helper })).status, 403);
    const pack = await exported({ agentId: sources.helper });
    assert.equal((await take(pack, {}, '', await keyHolder(globex.tenant.id, 'builder'))).status, 403);
    assert.equal((await globex.call('POST', '/v1/agent-packages', { agentId: sources.helper })).status, 422);
    assert.equal((await acme.call('POST', '/v1/agent-packages', {})).status, 400);
    const role = freshSlug('role');
    const rules = [
      { effect: 'allow', action: 'export', subject: 'AgentPackage' },
      { effect: 'deny', action: 'read', subject: 'Agent', fields: ['instructions'] },
    ];
    assert.equal((await acme.call('POST', '/v1/roles', { name: role, title: 'Half', rules })).status, 201);
    const half = await keyHolder(acme.tenant.id, 'viewer');
    await inTenant(await placed(acme.tenant.id), (tenant) =>
      tenant.RoleAssignment.create({ principalId: half.id, role }),
    );
    assert.equal((await half.call('POST', '/v1/agent-packages', { agentId: sources.helper })).status, 403);
  });

  it('R2.2 may go round in a circle of hand-offs', async () => {
    const one = await made(acme, 'agents', { name: freshSlug('ring'), model: 'demo' });
    const two = await made(acme, 'agents', {
      name: freshSlug('ring'),
      model: 'demo',
      tools: [{ kind: 'hand-off', name: 'back', description: '', agentId: one }],
    });
    await acme.call('PATCH', `/v1/agents/${one}`, {
      tools: [{ kind: 'hand-off', name: 'on', description: '', agentId: two }],
    });
    const taken = await take(await exported({ agentId: one }));
    assert.equal(taken.status, 201, taken.text);
    const tools = await Promise.all(
      taken.body.agents.map(
        async ({ id }) => (await globex.call<Agent>('GET', `/v1/agents/${id}`)).body.tools[0]?.agentId,
      ),
    );
    assert.deepEqual(tools.toSorted(), taken.body.agents.map(({ id }) => id).toSorted());
  });
});
