import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { added, ask, ending, settle, usesOf } from '../support/llm.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { type KeyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

const secret = 'sk-good-credential-0002';

describe('a model provider', () => {
  let acme: Member;
  let admin: KeyHolder;
  let server: ModelServer;
  let spare: ModelServer;
  before(async () => {
    useSharedModels();
    server = await startModelServer(secret);
    spare = await startModelServer(secret);
  });
  after(() => Promise.all([server.stop(), spare.stop()]));
  beforeEach(async () => {
    acme = await member();
    admin = await signedInPerson(acme.tenant.id, 'admin');
  });

  const adding = (body: object = {}) =>
    added(acme, { baseUrl: server.url, credential: secret, timeoutSeconds: 2, ...body });
  const set = (document: object) => settle(acme.tenant.id, document);

  it('R6.2 is used by the agents it is kept for and by nobody else', async () => {
    const agent = await acme.call<{ id: string }>('POST', '/v1/agents', { name: 'One', model: 'good' });
    const { id: providerId } = await adding({ agents: [agent.body.id] });
    const asking = (agentId?: string) =>
      ending(ask(admin, { model: 'good', providerId, usedBy: { principalId: admin.id, agentId } }));
    assert.equal(await asking(agent.body.id), 'answered');
    assert.match(await asking(newId('agt')), /kept for certain agents/);
    assert.match(await asking(), /kept for certain agents/);
    const [use] = await usesOf(acme, { id: providerId });
    assert.equal(use?.agentId, agent.body.id);
    assert.equal(use?.principalId, admin.id);
  });

  it('R6.1 is told nothing of persons where settings say so', async () => {
    const { id: providerId } = await adding();
    const messages = [
      { role: 'user' as const, content: 'Write to ada@example.com' },
      {
        role: 'assistant' as const,
        content: [
          {
            type: 'tool-call' as const,
            toolCallId: 'c1',
            toolName: 'mail',
            input: { to: 'bob@example.com' },
          },
        ],
      },
      {
        role: 'tool' as const,
        content: [
          {
            type: 'tool-result' as const,
            toolCallId: 'c1',
            toolName: 'mail',
            output: { type: 'json' as const, value: { from: 'eve@example.com' } },
          },
        ],
      },
    ];
    const asking = () =>
      ask(admin, { model: 'good', providerId, system: 'You are joe@example.com', messages });
    await asking();
    assert.match(server.received.at(-1)?.text ?? '', /ada@.*bob@.*eve@/);
    await set({ 'privacy.redact': ['prompts'] });
    await asking();
    const sent = server.received.at(-1)?.text ?? '';
    assert.doesNotMatch(sent, /(ada|bob|eve|joe)@example/);
    assert.match(sent, /mail/);
  });

  it('R6.1 is never another organisation’s', async () => {
    const { id: providerId } = await adding();
    const other = await member();
    const stranger = await signedInPerson(other.tenant.id, 'owner');
    const before = server.received.length;
    assert.match(
      await ending(ask(stranger, { model: 'good', providerId })),
      /^refused: There is no model provider llm_/,
    );
    assert.equal(server.received.length, before);
    for (const [method, path, body] of [
      ['GET', ''],
      ['GET', '/uses'],
      ['PATCH', '', { enabled: false }],
      ['DELETE', ''],
      ['POST', '/tests', { model: 'good' }],
      ['POST', '/credential-rotations', { credential: 'sk-somebody-elses' }],
    ] as const) {
      const { status } = await other.call(method, `/v1/llm-providers/${providerId}${path}`, body);
      assert.equal(status, 404, `${method} ${path}`);
    }
  });

  it('R6.1 answers many at once, each call written down once', async () => {
    const { id: providerId } = await adding();
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, at) =>
        ask(admin, {
          model: 'good',
          providerId,
          usedBy: { principalId: admin.id },
          ...(at % 2 && { onText: () => {} }),
        }),
      ),
    );
    assert.ok(answers.every(({ text }) => text === 'Hello, world'));
    const uses = await usesOf(acme, { id: providerId });
    assert.equal(uses.length, 60);
    const total = uses.reduce((sum, { tokens }) => sum + (tokens?.input ?? 0) + (tokens?.output ?? 0), 0);
    assert.equal(total, 60 * 18);
  });
});
