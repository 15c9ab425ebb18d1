import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { placed } from '../support/people.ts';
import { restricted } from '../support/restrictions.ts';
import { begun, ended, type Runner, runner, toldOf } from '../support/run-stage.ts';
import { makeAgent, type Outside, startOutside } from '../support/run-world.ts';
import { type Stage, setStage } from '../support/stage.ts';

/** Runs that are given another model than their agents name: it is shown, also when it fails. */
describe('runs with cheaper models', () => {
  let stage: Stage;
  let outside: Outside;
  let by: Runner;
  before(async () => {
    [stage, outside] = await Promise.all([setStage(), startOutside()]);
    await stage.work();
  });
  beforeEach(async () => {
    by = await runner(stage.principal, outside);
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
  });

  const within = async <T extends object>(text: string, values: unknown[] = []) =>
    inTenant(await placed(by.tenantId), ({ sql }) => sql<T>(text, values));
  it('R5.4 are given a cheaper model, which their steps, events and the use of providers show', async () => {
    const models = [{ from: 'large-*', to: 'demo' }];
    const id = await restricted(by.tenantId, { measure: 'cheaper-model', data: { models } });
    const agentId = await makeAgent(by.tenantId, { providerId: by.providerId, model: 'large-3' });
    const runId = await begun(by, { agentId }, { prompt: 'Hello' });
    const { state, steps } = await ended(by, runId);
    assert.equal(state, 'succeeded');
    const turn = steps.find(({ kind }) => kind === 'turn');
    const instead = { model: 'large-3', restrictionId: id };
    const shown = turn?.output as { model: string; instead: object };
    assert.deepEqual([shown.model, shown.instead], ['demo', instead]);
    const uses = await within('SELECT model, instead_of, restriction_id FROM llm_uses');
    assert.deepEqual(uses, [{ model: 'demo', instead_of: 'large-3', restriction_id: id }]);
    const [told] = await toldOf(by, runId, 'model.answered');
    assert.deepEqual(told?.instead, instead);
  });

  it('R5.4 that fail on the model they were given instead say which it was, and by which restriction', async () => {
    const models = [{ from: 'dem*', to: 'nonexistent-9000' }];
    const id = await restricted(by.tenantId, { measure: 'cheaper-model', data: { models } });
    const agentId = await makeAgent(by.tenantId, { providerId: by.providerId, model: 'demo' });
    const runId = await begun(by, { agentId }, { prompt: 'Hello' });
    const { state, refusal, steps } = await ended(by, runId);
    assert.equal(state, 'failed');
    const why = `nonexistent-9000 was asked instead of demo, because of the restriction ${id}`;
    const turn = steps.find(({ kind }) => kind === 'turn');
    for (const said of [turn?.refusal, refusal])
      assert.ok(String(said).includes(why), `${said} does not say: ${why}`);
  });
});
