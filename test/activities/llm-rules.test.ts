import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { added, ask, ending, settle, usesOf, within } from '../support/llm.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { type KeyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

const secret = 'sk-good-credential-0002';

describe('which provider is asked', () => {
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
  const refusals = () =>
    within(acme.tenant.id, (sql) =>
      sql<{ subject_id: string; reason: string; actor: { id: string } }>(
        "SELECT subject_id, reason, actor FROM audit_events WHERE action = 'call LlmProvider' AND outcome = 'refused' ORDER BY seq",
      ),
    );

  it('R6.1 is the one there is, the default, or the one that is named', async () => {
    assert.match(await ending(ask(admin, { model: 'good' })), /^refused: No model provider is named/);
    const one = await adding();
    assert.equal((await ask(admin, { model: 'good' })).providerId, one.id);
    const two = await adding();
    assert.match(await ending(ask(admin, { model: 'good' })), /set llm.defaultProvider/);
    await set({ 'llm.defaultProvider': two.id });
    assert.equal((await ask(admin, { model: 'good' })).providerId, two.id);
    assert.equal((await ask(admin, { model: 'good', providerId: one.id })).providerId, one.id);
  });

  it('R6.1 is the next one when it is the provider that fails, each attempt written down', async () => {
    const failing = await adding({ aliases: { good: 'status-500' } });
    const refusing = await adding({ credential: 'sk-not-accepted-here' });
    const working = await adding({ baseUrl: spare.url });
    await set({
      'llm.defaultProvider': failing.id,
      'llm.fallbackProviders': [refusing.id, working.id],
    });
    const runId = newId('run');
    const answer = await ask(admin, { model: 'good', usedBy: { principalId: admin.id, runId } });
    assert.equal(answer.providerId, working.id);
    const outcomes = await Promise.all(
      [failing, refusing, working].map(async (each) =>
        (await usesOf(acme, each, `&runId=${runId}`)).map(({ outcome, model }) => `${outcome} ${model}`),
      ),
    );
    assert.deepEqual(outcomes, [
      ['provider-failed status-500'],
      ['credential-refused good'],
      ['answered good'],
    ]);
  });

  it('R6.1 is no other where the request or the rules are at fault, nor once words were heard', async () => {
    const first = await adding({ models: ['good', 'status-400', 'half', 'unknown'] });
    const second = await adding({ baseUrl: spare.url });
    await set({ 'llm.defaultProvider': first.id, 'llm.fallbackProviders': [second.id] });
    const before = spare.received.length;
    assert.equal(await ending(ask(admin, { model: 'status-400' })), 'request-refused');
    assert.equal(await ending(ask(admin, { model: 'unknown' })), 'model-unknown');
    assert.match(await ending(ask(admin, { model: 'hang' })), /add it to the provider’s models/);
    assert.equal(await ending(ask(admin, { model: 'half', onText: () => {} })), 'cut-off, again');
    assert.equal(spare.received.length, before);
  });

  it('R6.1 may be tried again when all fail and one of them may yet come back', async () => {
    const failing = await adding({ aliases: { good: 'status-503' } });
    const refusing = await adding({ credential: 'sk-not-accepted-here' });
    await set({ 'llm.defaultProvider': failing.id, 'llm.fallbackProviders': [refusing.id] });
    assert.equal(await ending(ask(admin, { model: 'good' })), 'provider-failed, again');
    await set({ 'llm.defaultProvider': refusing.id, 'llm.fallbackProviders': [failing.id] });
    assert.equal(await ending(ask(admin, { model: 'good' })), 'provider-failed, again');
    await set({ 'llm.defaultProvider': refusing.id, 'llm.fallbackProviders': [] });
    assert.equal(await ending(ask(admin, { model: 'good' })), 'credential-refused');
  });

  it('R6.1 processes in an allowed region, or is not asked: its own only, unless settings say more', async () => {
    const abroad = await adding({ region: 'US' });
    const before = server.received.length;
    const asking = () => ending(ask(admin, { model: 'good', providerId: abroad.id }));
    assert.match(await asking(), /processes in US; the setting llm.allowedRegions allows EU/);
    assert.equal(server.received.length, before);
    await set({ 'llm.allowedRegions': ['EU', 'US'] });
    assert.equal(await asking(), 'answered');
    await within(acme.tenant.id, (sql) =>
      sql("UPDATE llm_providers SET region = 'MARS' WHERE id = $1", [abroad.id]),
    );
    await set({ 'llm.allowedRegions': ['EU', 'MARS'] });
    assert.match(await asking(), /a region this installation does not know/);
    const written = await refusals();
    assert.deepEqual(
      written.map(({ subject_id: id, actor }) => [id, actor.id]),
      [
        [abroad.id, admin.id],
        [abroad.id, admin.id],
      ],
    );
  });

  it('R6.1 is asked for nothing but a model, whatever stands where its name should', async () => {
    const { id: providerId } = await adding({ kind: 'google' });
    const before = server.received.length;
    for (const model of [
      '../../v1/files',
      'a/../../b',
      'm?key=x',
      'm#',
      'm%2e%2e',
      '//host/m',
      'm\r\nX: 1',
      '',
    ])
      assert.match(await ending(ask(admin, { model, providerId })), /no name of a model/, model);
    assert.equal(server.received.length, before);
  });

  it('R6.1 is of a kind and a model that settings allow, asked at every call', async () => {
    const { id: providerId } = await adding({ aliases: { nice: 'good' } });
    const asking = (model: string) => ending(ask(admin, { model, providerId }));
    await set({ 'llm.allowedModels': ['go*', 'x'] });
    assert.equal(await asking('good'), 'answered');
    // What counts is what the provider is asked for.
    assert.equal(await asking('nice'), 'answered');
    assert.match(await asking('json'), /llm.allowedModels/);
    await set({ 'llm.allowedProviders': ['openai'] });
    assert.match(await asking('good'), /llm.allowedProviders does not allow/);
    await acme.call('PATCH', `/v1/llm-providers/${providerId}`, { enabled: false });
    assert.match(await asking('good'), /switched off/);
    assert.equal((await refusals()).length, 3);
    assert.deepEqual(
      (await usesOf(acme, { id: providerId })).map(({ outcome }) => outcome),
      ['answered', 'answered'],
    );
  });
});
