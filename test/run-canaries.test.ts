import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { loadConfig } from '../config.ts';
import { openTemporal } from '../temporal/client.ts';
import { handed } from './support/environment.ts';
import { keyHolder, useSharedModels } from './support/people.ts';
import { readable } from './support/readable.ts';
import { equip, makeAgent, makeWorkflow, type Outside, startOutside } from './support/run-world.ts';
import { type Member, member } from './support/tenants.ts';

/**
 * Many tenants running at once, each with strings that stand nowhere but in its own data: in what it asks, what its
 * agent is told, what its tool says, what it remembers and what it labels. Wherever else one turns up, something leaked.
 */
const tenantsMax = 50;
const atOnce = 2;
type Run = { id: string; state: string; output: unknown };
type Part = 'prompt' | 'told' | 'tool' | 'label' | 'memory';
type Tenant = {
  who: Member;
  as: Awaited<ReturnType<typeof keyHolder>>;
  canaries: Record<Part, string>;
  agentId: string;
  workflowId: string;
  runs: string[];
};

const over = ['succeeded', 'failed', 'refused', 'cancelled'];

describe('many tenants that run at once', () => {
  let outside: Outside;
  const tenants: Tenant[] = [];

  async function settled(): Promise<Tenant> {
    const who = await member({ region: 'eu' });
    const as = await keyHolder(who.tenant.id, 'owner');
    const of = (part: string) => `canary${part}${randomBytes(9).toString('hex')}`;
    const canaries = { prompt: of('p'), told: of('i'), tool: of('t'), label: of('l'), memory: of('m') };
    const { integrationId } = await equip(who.tenant.id, outside, as.id);
    const agentId = await makeAgent(who.tenant.id, { instructions: `say: ${canaries.told}` });
    await as.call('POST', `/v1/agents/${agentId}/memories`, { text: `Each remembers ${canaries.memory}` });
    const tool = {
      id: 'tool',
      kind: 'tool',
      integrationId,
      method: 'POST',
      path: '/tool',
      body: { given: '{{ input.text }}', mine: canaries.tool },
    };
    const ask = { id: 'ask', kind: 'agent', agentId, prompt: '{{ input.text }}', after: ['tool'] };
    const output = { tool: '{{ steps.tool.output }}', said: '{{ steps.ask.output }}' };
    const workflowId = await makeWorkflow(who.tenant.id, { steps: [tool, ask], output });
    return { who, as, canaries, agentId, workflowId, runs: [] };
  }

  before(async function () {
    this.timeout(300_000);
    useSharedModels();
    outside = await startOutside();
    for (let at = 0; at < tenantsMax; at += atOnce)
      tenants.push(...(await Promise.all(Array.from({ length: atOnce }, settled))));
  });
  after(() => outside.stop());

  const foreignIn = (text: string, own: Tenant | undefined): string[] =>
    tenants
      .filter((tenant) => tenant !== own)
      .flatMap(({ canaries }) => Object.values(canaries))
      .filter((canary) => text.includes(canary));

  async function begun(tenant: Tenant): Promise<void> {
    const { canaries, workflowId, as } = tenant;
    const body = { workflowId, input: { text: canaries.prompt }, labels: { mark: canaries.label } };
    // As a caller should: what is busy is asked again, and the key sees to it that it is done once.
    const asked = () => as.call<Run>('POST', '/v1/runs', body, { 'idempotency-key': canaries.label });
    let reply = await asked();
    for (let tries = 0; tries < 20 && reply.status === 503; tries++) {
      await pause(1_000);
      reply = await asked();
    }
    assert.equal(reply.status, 202, reply.text);
    tenant.runs.push(reply.body.id);
  }

  async function ended({ as, runs }: Tenant): Promise<void> {
    for (const id of runs) {
      for (const deadline = Date.now() + 240_000; ; await pause(500)) {
        const { body } = await as.call<Run>('GET', `/v1/runs/${id}`);
        if (over.includes(body.state)) {
          assert.equal(body.state, 'succeeded', JSON.stringify(body));
          break;
        }
        assert.ok(Date.now() < deadline, `still ${body.state}`);
      }
    }
  }

  it('R2.3 come to their ends, each with what is its own', async function () {
    this.timeout(300_000);
    await Promise.all(tenants.map(begun));
    for (const tenant of tenants) await ended(tenant);
    for (const { as, runs, canaries } of tenants) {
      const { text } = await as.call('GET', `/v1/runs/${runs[0]}`);
      for (const part of ['prompt', 'told', 'tool'] as const) assert.ok(text.includes(canaries[part]), part);
    }
  });

  it('R2.3 are answered with nothing of another’s, in lists, runs, events and trails', async function () {
    this.timeout(300_000);
    for (const [at, tenant] of tenants.entries()) {
      const other = tenants[(at + 1) % tenants.length];
      const { as, runs } = tenant;
      const paths = [
        '/v1/runs',
        `/v1/runs/${runs[0]}`,
        `/v1/runs/${runs[0]}/events`,
        '/v1/audit-events',
        '/v1/agents',
      ];
      for (const path of paths) {
        const { status, text } = await as.call('GET', path);
        assert.equal(status, 200, text);
        assert.deepEqual(foreignIn(text, tenant), [], path);
      }
      for (const more of ['', '/events'])
        assert.equal((await as.call('GET', `/v1/runs/${other?.runs[0]}${more}`)).status, 404);
      const theirs = { workflowId: other?.workflowId };
      assert.equal((await as.call('POST', '/v1/runs', theirs)).status, 422);
    }
  });

  it('R2.3 find nothing of another’s in their memory, by a word they share or by the other’s own', async function () {
    this.timeout(300_000);
    for (const [at, { as, agentId, canaries }] of tenants.entries()) {
      const other = tenants[(at + 1) % tenants.length];
      const search = (agent = '', word = '') => as.call('GET', `/v1/agents/${agent}/memories?q=${word}`);
      const { text } = await search(agentId, 'remembers');
      assert.ok(text.includes(canaries.memory) && foreignIn(text, tenants[at]).length === 0, text);
      assert.match((await search(agentId, other?.canaries.memory)).text, /"items":\[\]/);
      assert.equal((await search(other?.agentId, 'remembers')).status, 404);
    }
  });

  it('R2.3 gave their tools and models nothing of another’s', () => {
    const byRun = new Map(tenants.map((tenant) => [tenant.runs[0] ?? '', tenant]));
    // By idempotency key: a call whose answer was lost comes again under the same one.
    assert.equal(outside.effects.size, tenantsMax);
    for (const effect of outside.effects.values()) {
      const tenant = [...byRun].find(([runId]) => effect.key.startsWith(runId))?.[1];
      assert.ok(tenant, effect.key);
      assert.deepEqual(foreignIn(JSON.stringify(effect.body), tenant), []);
    }
  });

  it('R2.3 leave nothing readable in Temporal: neither in histories nor in lists', async function () {
    this.timeout(300_000);
    const { connection } = openTemporal(loadConfig(handed().shared.settings).temporal);
    const { workflowService } = connection;
    try {
      let histories = 0;
      for (const namespace of ['freehold', 'freehold-eu', 'freehold-us']) {
        let nextPageToken: Uint8Array | undefined;
        do {
          const listed = await workflowService.listWorkflowExecutions({
            namespace,
            pageSize: 200,
            ...(nextPageToken && { nextPageToken }),
          });
          assert.deepEqual(foreignIn(readable(listed), undefined), [], namespace);
          for (const { execution } of listed.executions ?? []) {
            const mine = tenants.some(({ who }) => execution?.workflowId?.includes(who.tenant.id));
            if (!mine || !execution) continue;
            histories++;
            const history = await workflowService.getWorkflowExecutionHistory({ namespace, execution });
            const text = readable(history);
            assert.ok(text.includes(execution.workflowId ?? '-'), 'it was read');
            assert.deepEqual(foreignIn(text, undefined), [], execution.workflowId ?? '');
          }
          nextPageToken = listed.nextPageToken?.length ? listed.nextPageToken : undefined;
        } while (nextPageToken);
      }
      assert.ok(histories >= 2 * tenantsMax, `${histories} histories`);
    } finally {
      await connection.close();
    }
  });

  it('R14.1 leave nothing of theirs in metrics and logs', async () => {
    for (const file of handed().shared.logs)
      assert.deepEqual(foreignIn(await readFile(file, 'utf8'), undefined), [], file);
    const { FREEHOLD_METRICS_PORT: api, FREEHOLD_WORKER_METRICS_PORT: worker } = handed().shared.settings;
    for (const port of [api, worker]) {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      assert.ok(text.includes('freehold_'));
      assert.deepEqual(foreignIn(text, undefined), []);
    }
  });
});
