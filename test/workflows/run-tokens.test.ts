import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { limitedBy, standing } from '../support/limited.ts';
import { allCounted, meterOf } from '../support/metered.ts';
import { placed } from '../support/people.ts';
import { begun, ended, type Runner, runner, until } from '../support/run-stage.ts';
import { makeAgent, makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { type Stage, setStage } from '../support/stage.ts';

/** What runs use of models, and how they are kept within their limits whatever is under way at once. */
describe('the tokens of runs', () => {
  let stage: Stage;
  let outside: Outside;
  let by: Runner;
  before(async () => {
    [stage, outside] = await Promise.all([setStage(), startOutside()]);
    by = await runner(stage.principal, outside);
    await stage.work();
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
  });

  const answering = (tokens: number, more: object = {}) =>
    makeAgent(by.tenantId, {
      instructions: `say: ${'word '.repeat((tokens * 4) / 5)}\nwait: 300ms`,
      ...more,
    });

  const inParallel = async (agentId: string, items: number) =>
    makeWorkflow(by.tenantId, {
      steps: [
        {
          id: 'each',
          kind: 'map',
          over: `[${Array.from({ length: items }, (_, at) => at).join(', ')}]`,
          concurrency: items,
          onFailure: 'continue',
          steps: [{ id: 'ask', kind: 'agent', agentId, prompt: 'Go on.', onFailure: 'continue' }],
        },
      ],
    });

  it('R5.2 are never a token more than the run may use, however many of its steps ask at once', async () => {
    const limit = 5_000;
    const workflowId = await inParallel(await answering(500), 8);
    const { row } = await ended(by, await begun(by, { workflowId }, {}, 1, { tokens: limit }));
    const used = Number(row.tokens_input) + Number(row.tokens_output);
    assert.ok(used > 0 && used <= limit, `${used} of ${limit} tokens`);
  }).timeout(90_000);

  it('R5.2 are refused when what is asked cannot fit, with a sentence, before anything is asked', async () => {
    const agentId = await answering(10);
    const { state, refusal, row } = await ended(
      by,
      await begun(by, { agentId }, { prompt: 'x' }, 1, { tokens: 100 }),
    );
    assert.deepEqual([state, row.refusal_code], ['refused', 'limit-tokens']);
    assert.match(
      String(refusal),
      /The run may use 100 tokens, and has used 0; what is to be asked next may take/,
    );
    assert.equal(Number(row.tokens_input), 0);
  });

  it('R5.2 end with `limit-quota` and the limit in words when the organisation has no more', async () => {
    const other = await runner(stage.principal, outside);
    const place = await placed(other.tenantId);
    await limitedBy(place, { id: 'q', amount: 300 });
    const agentId = await makeAgent(other.tenantId, { instructions: 'say: hi' });
    const { state, refusal, row } = await ended(
      other,
      await begun(other, { agentId }, { prompt: 'x'.repeat(400) }),
    );
    assert.deepEqual([state, row.refusal_code], ['refused', 'limit-quota']);
    assert.match(
      String(refusal),
      /There is never room for \d+ tokens: the limit is 300 tokens a month; use less/,
    );
    assert.deepEqual(await standing(place, 'q'), []);
  });

  it('R5.1 R5.2 are counted once by model, agent, workflow and key, and what was reserved is settled', async () => {
    const other = await runner(stage.principal, outside);
    const place = await placed(other.tenantId);
    await limitedBy(place, { id: 'q', amount: 1_000_000 });
    const agentId = await makeAgent(other.tenantId, { instructions: 'say: hi' });
    const steps = [{ id: 'ask', kind: 'agent', agentId, prompt: 'Go on.' }];
    const workflowId = await makeWorkflow(other.tenantId, { steps });
    const { row } = await ended(other, await begun(other, { workflowId }));
    await allCounted(place);
    const whose = { agent_id: agentId, workflow_id: workflowId, key_id: other.principal.id, model: 'demo' };
    assert.deepEqual(await meterOf(place, 'tokens.input'), [{ ...whose, value: Number(row.tokens_input) }]);
    assert.deepEqual(await meterOf(place, 'tokens.output'), [{ ...whose, value: Number(row.tokens_output) }]);
    const used = Number(row.tokens_input) + Number(row.tokens_output);
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used, reserved: 0 }]);
  });

  it('R5.2 of agents at once never come to be more than the organisation may use', async () => {
    const other = await runner(stage.principal, outside);
    const place = await placed(other.tenantId);
    const limit = 6_000;
    await limitedBy(place, { id: 'q', amount: limit });
    const agentId = await makeAgent(other.tenantId, {
      instructions: 'say: some words to be counted\nwait: 200ms',
      maxOutputTokens: 200,
    });
    const workflowId = await makeWorkflow(other.tenantId, {
      steps: [
        {
          id: 'each',
          kind: 'map',
          over: '[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]',
          concurrency: 20,
          onFailure: 'continue',
          steps: [{ id: 'ask', kind: 'agent', agentId, prompt: 'Go on.', onFailure: 'continue' }],
        },
      ],
    });
    const runs = await Promise.all([1, 2, 3].map(() => begun(other, { workflowId })));
    const rows = await Promise.all(runs.map((runId) => ended(other, runId)));
    await allCounted(place);
    const [counted] = await standing(place, 'q');
    const used = rows.reduce((sum, { row }) => sum + Number(row.tokens_input) + Number(row.tokens_output), 0);
    assert.deepEqual(counted, { scopeId: '', used, reserved: 0 });
    assert.ok(used > 0 && used <= limit, `${used} of ${limit}`);
  }).timeout(90_000);

  it('R5.1 R5.2 are counted once through the death of a worker, and what it held is taken over and settled', async () => {
    const other = await runner(stage.principal, outside);
    const place = await placed(other.tenantId);
    await limitedBy(place, { id: 'q', amount: 10_000_000 });
    const agentId = await makeAgent(other.tenantId, { instructions: 'say: hi' });
    const slowId = await makeAgent(other.tenantId, { instructions: 'say: hi\nwait: 12s' });
    const steps = Array.from({ length: 20 }, (_, at) => ({
      ...{ id: `s${at}`, kind: 'agent', agentId, prompt: `Number ${at}.` },
      ...(at > 0 && { after: [`s${at - 1}`] }),
    }));
    const workflowId = await makeWorkflow(other.tenantId, { steps });
    await stage.rest();
    const runs: string[] = [];
    // One worker dies with one call under way, and with another whose answer it has just recorded.
    await stage.killedAt(new Map([[other.tenantId, 'takeTurn@10']]), async () => {
      runs.push(await begun(other, { agentId: slowId }, { prompt: 'Slowly.' }));
      await until(other, runs[0] ?? '', ({ row }) => row.state === 'running');
      runs.push(await begun(other, { workflowId }));
    });
    const underWay = await inTenant(place, ({ sql }) =>
      sql("SELECT id FROM quota_reservations WHERE state = 'held' AND id NOT LIKE 'run/%'"),
    );
    assert.equal(underWay.length > 0, true, 'the call that was under way holds what it may use');
    await stage.work();
    const rows = await Promise.all(runs.map((runId) => ended(other, runId)));
    assert.deepEqual(
      rows.map(({ state }) => state),
      ['succeeded', 'succeeded'],
    );
    await allCounted(place);
    const [told] = await inTenant(place, ({ sql }) =>
      sql<{ input: number; output: number; calls: number }>(
        `SELECT sum(input_tokens)::int AS input, sum(output_tokens)::int AS output, count(*)::int AS calls FROM llm_uses
         WHERE outcome = 'answered'`,
      ),
    );
    const of = async (meter: string) =>
      (await meterOf(place, meter)).reduce((sum, { value }) => sum + Number(value), 0);
    const byRuns = (column: string) => rows.reduce((sum, { row }) => sum + Number(row[column]), 0);
    const input = await of('tokens.input');
    const output = await of('tokens.output');
    assert.deepEqual({ input, output, calls: 21 }, told);
    assert.deepEqual([input, output], [byRuns('tokens_input'), byRuns('tokens_output')]);
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: input + output, reserved: 0 }]);
    const held = await inTenant(place, ({ sql }) =>
      sql("SELECT id FROM quota_reservations WHERE state = 'held'"),
    );
    assert.deepEqual(held, []);
  }).timeout(120_000);
});
