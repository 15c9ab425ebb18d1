import assert from 'node:assert/strict';
import { deployBeside } from '../support/deployment.ts';
import { added, ask, ending, within } from '../support/llm.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { type KeyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';

const path = '/v1/llm-providers';

describe('a credential of a model provider', () => {
  let acme: Member;
  let admin: KeyHolder;
  let server: ModelServer;
  before(async () => {
    useSharedModels();
    acme = await member();
    admin = await signedInPerson(acme.tenant.id, 'admin');
  });
  beforeEach(async () => {
    server = await startModelServer('sk-the-old-credential');
  });
  afterEach(() => server.stop());

  const asking = (providerId: string) => ask(admin, { model: 'good', providerId });

  it('R6.2 are in no answer, log, trail, stored answer, database or history in clear', async () => {
    const canary = `sk-canary-${Math.random().toString(36).slice(2)}-7Q2x`;
    const rotated = `sk-canary-${Math.random().toString(36).slice(2)}-9Z4y`;
    server.keys.add(canary);
    const answers: string[] = [];
    const call = async (method: string, to: string, body?: object, headers?: Record<string, string>) => {
      const reply = await acme.call<{ id: string }>(method, to, body, headers);
      answers.push(reply.text, JSON.stringify(reply.headers));
      return reply.body;
    };
    const given = { name: 'Canary', kind: 'openai-compatible', region: 'EU', baseUrl: server.url };
    const { id } = await call('POST', path, { ...given, credential: canary }, { 'idempotency-key': 'c-1' });
    await call('POST', path, { ...given, credential: canary }, { 'idempotency-key': 'c-1' });
    await call('POST', path, { ...given, credential: canary });
    await call('POST', path, { ...given, name: 'Bad', region: 'MARS', credential: canary });
    await call('POST', path, { ...given, name: 'Bad', credential: { secret: canary } });
    await call('POST', `${path}/${id}/tests`, { model: 'echo-key' });
    await asking(id);
    await call('POST', `${path}/${id}/credential-rotations`, { credential: rotated });
    await ending(ask(admin, { model: 'good', providerId: id }));
    for (const to of ['', `/${id}`, `/${id}/uses`]) await call('GET', `${path}${to}`);
    await call('GET', '/v1/audit-events?limit=200');
    const tables = ['llm_providers', 'llm_credentials', 'llm_uses', 'audit_events', 'idempotency_keys'];
    for (const table of tables) {
      const rows = await within(acme.tenant.id, (sql) => sql(`SELECT x::text AS row FROM ${table} x`));
      answers.push(JSON.stringify(rows));
    }
    for (const text of answers) assert.ok(!text.includes(canary) && !text.includes(rotated), text);
    assert.ok(
      server.received.some(({ key }) => key === canary),
      'it was used',
    );
  });

  it('R6.2 are in no log of API and worker', async function () {
    this.timeout(60_000);
    const freehold = await deployBeside({ FREEHOLD_LOG_LEVEL: 'debug' });
    try {
      const processes = await Promise.all([freehold.api(), freehold.worker()]);
      const own = await member({}, freehold);
      const credential = 'sk-canary-of-the-logs-0001';
      const { id } = await added(own, { baseUrl: server.url, credential });
      await own.call('POST', path, { name: 'Bad', kind: 'openai', region: 'MARS', credential });
      const { body } = await own.call<{ verdict: string }>('POST', `${path}/${id}/tests`, {
        model: 'echo-key',
      });
      assert.equal(body.verdict, 'credential-refused');
      // The line of a request is written when its answer has left.
      await eventually(async () => assert.match(processes[0]?.log() ?? '', /llmProviderId\/tests/));
      const logs = processes.map((each) => each.log()).join('\n');
      assert.ok(!logs.includes(credential) && !logs.includes('sk-echoed'));
    } finally {
      await freehold.stop();
    }
  });
});
