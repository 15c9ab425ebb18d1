import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { standing } from '../support/limited.ts';
import { allCounted } from '../support/metered.ts';
import { type KeyHolder, keyHolder, placed, useSharedModels } from '../support/people.ts';
import {
  type Equipped,
  equip,
  makeAgent,
  makeWorkflow,
  type Outside,
  startOutside,
} from '../support/run-world.ts';
import { type Member, member } from '../support/tenants.ts';

type Spending = { reserved: number; used: number };
type Run = {
  id: string;
  state: string;
  budget: { tokens?: Spending; steps?: Spending } | null;
  refusal: { code: string; detail: string } | null;
  used: { steps: number; inputTokens: number; outputTokens: number };
  detail: string;
  quota: { id: string; meter: string };
  errors: { pointer: string; detail: string }[];
};

describe('budgets of runs over REST', () => {
  let acme: Member;
  let builder: KeyHolder;
  let outside: Outside;
  let tools: Equipped;
  before(async () => {
    useSharedModels();
    outside = await startOutside();
    acme = await member({ quotas: { tokens: 50_000 } });
    builder = await keyHolder(acme.tenant.id, 'builder');
    tools = await equip(acme.tenant.id, outside, builder.id);
  });
  after(() => outside.stop());

  const chain = (length: number) =>
    Array.from({ length }, (_, at) => ({
      ...{ id: `t${at}`, kind: 'tool', integrationId: tools.integrationId, method: 'POST', path: `/t${at}` },
      ...(at > 0 && { after: [`t${at - 1}`] }),
    }));
  const ask = (path: string, body: object) => builder.call<Run>('POST', path, body);
  const ended = async ({ id }: Run): Promise<Run> => {
    for (const deadline = Date.now() + 60_000; ; await pause(50)) {
      const { body } = await builder.call<Run>('GET', `/v1/runs/${id}`);
      if (['succeeded', 'failed', 'refused', 'cancelled'].includes(body.state)) return body;
      assert.ok(Date.now() < deadline, `still ${body.state}`);
    }
  };

  it('R5.2 are said at the start, shown with what was used of them, and given back at the end', async () => {
    const agentId = await makeAgent(acme.tenant.id, {
      instructions: 'say: hi',
      providerId: tools.providerId,
    });
    const budget = { tokens: 20_000, steps: 5 };
    const begun = await ask(`/v1/agents/${agentId}/runs`, { input: { prompt: 'x' }, budget });
    assert.equal(begun.status, 202, begun.text);
    assert.deepEqual(begun.body.budget?.tokens, { reserved: 20_000, used: 0 });
    const run = await ended(begun.body);
    const used = run.used.inputTokens + run.used.outputTokens;
    assert.ok(used > 0);
    assert.deepEqual(run.budget, { tokens: { reserved: 20_000, used }, steps: { reserved: 5, used: 1 } });
    const place = await placed(acme.tenant.id);
    await allCounted(place);
    assert.deepEqual(await standing(place, 'plan.tokens'), [{ scopeId: '', used, reserved: 0 }]);
    const without = await ask(`/v1/agents/${agentId}/runs`, { input: { prompt: 'x' } });
    assert.equal(without.body.budget, null);
    await ended(without.body);
  });

  it('R5.2 that do not fit refuse the start, and those that make no sense are said to', async () => {
    const workflowId = await makeWorkflow(acme.tenant.id, { steps: chain(1) });
    const over = await ask('/v1/runs', { workflowId, budget: { tokens: 50_001 } });
    assert.deepEqual([over.status, over.body.quota.id], [429, 'plan.tokens'], over.text);
    // Waiting would not help whoever wants more at once than there ever is.
    assert.equal(over.headers['retry-after'], undefined);
    const more = await ask('/v1/runs', { workflowId, limits: { steps: 3 }, budget: { steps: 4 } });
    assert.deepEqual([more.status, more.body.errors[0]?.pointer], [422, '/budget/steps']);
    assert.match(more.body.errors[0]?.detail ?? '', /must be at most 3, which is all the run may use/);
    for (const budget of [{}, { tokens: 0 }, { minutes: 1 }, { tokens: 1.5 }, null])
      assert.equal((await ask('/v1/runs', { workflowId, budget })).status, 400, JSON.stringify(budget));
  });

  it('R5.2 are those of all rounds of a run: a retry holds what is left, or has to be given more', async () => {
    const workflowId = await makeWorkflow(acme.tenant.id, { steps: chain(4) });
    const begun = await ask('/v1/runs', { workflowId, budget: { steps: 2 } });
    const refused = await ended(begun.body);
    assert.equal(refused.refusal?.code, 'limit-budget');
    const retries = `/v1/runs/${refused.id}/retries`;
    const vain = await ask(retries, {});
    assert.equal(vain.status, 409);
    assert.match(vain.body.detail, /budget of 2 steps does not go further.*Retry with a greater one/);
    const given = await ask(retries, { budget: { steps: 4 } });
    assert.equal(given.status, 202, given.text);
    const done = await ended(given.body);
    assert.deepEqual([done.state, done.budget], ['succeeded', { steps: { reserved: 4, used: 4 } }]);
  });
});
