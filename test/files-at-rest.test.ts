import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type Deployment, deploy } from './support/deployment.ts';
import { handed, ownSettings } from './support/environment.ts';
import { lastingTemporal } from './support/equipment.ts';
import { filesUnder } from './support/files.ts';
import { type Lasting, lasting } from './support/outage.ts';
import { type Outside, startOutside } from './support/run-world.ts';
import { freshSlug, type Member, member } from './support/tenants.ts';
import { eventually } from './support/traces.ts';

/**
 * What a tenant keeps and runs, looked for in the bytes of everything that is on disk: tables, indexes and write-ahead
 * logs of Postgres, Temporal's own database, and the logs of all processes at their most talkative.
 */
const parts = [
  'credential',
  'token',
  'secret',
  'told',
  'asked',
  'sent',
  'memory',
  'setting',
  'input',
  'label',
  'question',
  'comment',
] as const;

describe('what a tenant keeps and runs', () => {
  let directory: string;
  let temporal: Lasting;
  let freehold: Deployment;
  let outside: Outside;
  let acme: Member;
  const logs: (() => string)[] = [];
  const canaries = Object.fromEntries(parts.map((part) => [part, freshSlug(`canary${part}`)])) as Record<
    (typeof parts)[number],
    string
  >; // of exactly the parts
  /** Stands in the clear, so that what is looked for would be found. */
  const name = freshSlug('inclear');

  before(async function () {
    this.timeout(600_000);
    directory = await mkdtemp(join(tmpdir(), 'freehold-at-rest-'));
    const { address, launch } = await lastingTemporal(directory);
    [temporal, outside] = await Promise.all([lasting(launch, 'SIGTERM'), startOutside()]);
    const settings = await ownSettings({ ...handed(), temporalAddress: address }, 'freehold');
    freehold = await deploy({ ...settings, FREEHOLD_LOG_LEVEL: 'debug' });
    for (const running of await Promise.all([freehold.api(), freehold.worker()]))
      logs.push(() => running.log());
    acme = await member({ region: 'eu' }, freehold);
  });
  after(async () => {
    await freehold.stop();
    await Promise.all([temporal.stop(), outside.stop()]);
    await rm(directory, { recursive: true, force: true });
  });

  async function made(method: string, path: string, body?: object): Promise<{ id: string; text: string }> {
    const reply = await acme.call<{ id: string }>(method, `/v1${path}`, body);
    assert.ok(reply.status < 300, `${method} ${path}: ${reply.status} ${reply.text}`);
    return { id: reply.body?.id, text: reply.text };
  }

  async function outsideOnes(): Promise<string> {
    const { modelUrl: baseUrl, toolUrl: url } = outside;
    const provider = { name: 'Models', kind: 'openai-compatible', region: 'EU', baseUrl };
    await made('POST', '/llm-providers', { ...provider, credential: canaries.credential });
    const target = { url, auth: 'bearer', checkPath: '/health' };
    const { id } = await made('POST', '/integrations', {
      name: 'Shop',
      kind: 'http',
      target,
      credential: canaries.token,
    });
    return id;
  }

  async function workflow(integrationId: string): Promise<string> {
    const instructions = `say: ${canaries.told}`;
    const agent = await made('POST', '/agents', { name, model: 'demo', instructions });
    await made('POST', `/agents/${agent.id}/versions`);
    await made('POST', `/agents/${agent.id}/memories`, { text: canaries.memory });
    const asks = `${canaries.asked} {{ input.text }}`;
    const body = { canary: canaries.sent, said: '{{ steps.ask.output }}' };
    const steps = [
      { id: 'ask', kind: 'agent', agentId: agent.id, prompt: asks },
      { id: 'send', kind: 'tool', integrationId, method: 'POST', path: '/x', body, after: ['ask'] },
      { id: 'sure', kind: 'approval', role: 'owner', question: `${canaries.question}?`, after: ['send'] },
    ];
    const { id } = await made('POST', '/workflows', { name: 'Flow', definition: { steps } });
    await made('POST', `/workflows/${id}/versions`);
    return id;
  }

  it('R2.5 is done, and told to those who may know', async function () {
    this.timeout(600_000);
    const workflowId = await workflow(await outsideOnes());
    await made('PATCH', '/settings', { set: { 'privacy.terms': [canaries.setting] }, reason: 'a test' });
    const trigger = { name: 'Orders', workflowId, input: { text: canaries.secret } };
    await made('POST', '/triggers', trigger);
    const labels = { mark: canaries.label };
    const run = await made('POST', '/runs', { workflowId, input: { text: canaries.input }, labels });
    const until = (state: string) =>
      eventually(async () => assert.match((await made('GET', `/runs/${run.id}`)).text, RegExp(state)), 60);
    await until('"state":"waiting"');
    await made('POST', `/runs/${run.id}/approvals/sure`, { verdict: 'approved', comment: canaries.comment });
    await until('"state":"succeeded"');
    const shown = (await made('GET', `/runs/${run.id}`)).text;
    for (const part of ['input', 'label', 'told'] as const) assert.ok(shown.includes(canaries[part]), part);
    assert.ok(JSON.stringify([...outside.effects.values()]).includes(canaries.sent));
  });

  function lookedFor(bytes: string, where: string): string[] {
    const secrets = [acme.email, ...Object.values(canaries)];
    return secrets.filter((each) => bytes.includes(each)).map((each) => `${each} in ${where}`);
  }

  it('R2.5 is in no table, index or write-ahead log of Postgres', async function () {
    this.timeout(600_000);
    for (const url of Object.values(handed().postgres)) {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query('CHECKPOINT');
      // What the log held of it may be recycled by now, where others write much.
      await client.query('SELECT pg_logical_emit_message(true, $1, $2)', ['test', name]);
      await client.end();
    }
    const found: string[] = [];
    const clear = new Set<string>();
    for await (const { path, bytes } of filesUnder(handed().directory)) {
      // A mail is to the person; everything else is not.
      if (path.startsWith(handed().mailbox.directory)) continue;
      found.push(...lookedFor(bytes, path));
      if (bytes.includes(name)) clear.add(path.includes('pg_wal') ? 'log' : 'table');
    }
    assert.deepEqual(found, []);
    assert.deepEqual([...clear].toSorted(), ['log', 'table'], 'what is written was read');
  });

  it('R2.5 is not in Temporal’s own database', async function () {
    this.timeout(600_000);
    await temporal.stop();
    let read = '';
    const found: string[] = [];
    for await (const { path, bytes } of filesUnder(directory)) {
      found.push(...lookedFor(bytes, path));
      if (path.includes('temporal.db')) read += bytes;
    }
    assert.deepEqual(found, []);
    for (const each of [acme.tenant.id, 'Step 1: model call', 'binary/freehold-sealed'])
      assert.ok(read.includes(each), `${each} was not found, so nothing was read`);
  });

  it('R2.5 is in no log of API and worker', async () => {
    for (const [at, log] of logs.entries()) {
      assert.deepEqual(lookedFor(log(), `log ${at}`), []);
      assert.ok(log().includes(acme.tenant.id));
    }
  });
});
