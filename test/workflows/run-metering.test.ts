import assert from 'node:assert/strict';
import { inTenant, type Place } from '../../models/scope.ts';
import { Refusal } from '../../policies/refusal.ts';
import { changeLimits, limitedBy, standing } from '../support/limited.ts';
import { allCounted, meterOf } from '../support/metered.ts';
import { placed } from '../support/people.ts';
import { begun, ended, type Runner, runner, until } from '../support/run-stage.ts';
import { makeAgent, makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { type Stage, setStage } from '../support/stage.ts';

describe('what runs use', () => {
  let stage: Stage;
  let outside: Outside;
  let by: Runner;
  let place: Place;
  before(async () => {
    [stage, outside] = await Promise.all([setStage(), startOutside()]);
    await stage.work();
  });
  beforeEach(async () => {
    by = await runner(stage.principal, outside);
    place = await placed(by.tenantId);
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
  });

  const tool = (id: string, more: object = {}) => ({
    ...{ id, kind: 'tool', integrationId: by.integrationId, method: 'POST', path: `/${id}` },
    ...more,
  });
  const chain = (length: number) =>
    Array.from({ length }, (_, at) => tool(`t${at}`, at > 0 ? { after: [`t${at - 1}`] } : {}));
  const held = () =>
    inTenant(place, ({ sql }) => sql("SELECT id FROM quota_reservations WHERE state = 'held'"));

  it('R5.1 is counted: the run, how it ended, its steps and its calls, by workflow and key', async () => {
    const workflowId = await makeWorkflow(by.tenantId, { steps: chain(3) });
    await ended(by, await begun(by, { workflowId }));
    await allCounted(place);
    const whose = { workflow_id: workflowId, key_id: by.principal.id };
    assert.deepEqual(await meterOf(place, 'runs'), [{ ...whose, value: 1 }]);
    assert.deepEqual(await meterOf(place, 'runs.ended'), [{ ...whose, kind: 'succeeded', value: 1 }]);
    assert.deepEqual(await meterOf(place, 'steps'), [{ ...whose, kind: 'tool', value: 3 }]);
    assert.deepEqual(await meterOf(place, 'tool-calls'), [{ ...whose, kind: 'integration', value: 3 }]);
    assert.deepEqual(await meterOf(place, 'runs.concurrent'), [{ ...whose, value: 0 }]);
    assert.deepEqual(await held(), []);
  });

  it('R5.2 is refused at the start when no run is left, and nothing of it is there', async () => {
    await changeLimits(place, "DELETE FROM quotas WHERE meter = 'runs'");
    await limitedBy(place, { id: 'q', meter: 'runs', amount: 2 });
    const workflowId = await makeWorkflow(by.tenantId, { steps: chain(1) });
    const asked = await Promise.allSettled(Array.from({ length: 6 }, () => begun(by, { workflowId })));
    const refused = asked.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    assert.equal(refused.length, 4);
    for (const refusal of refused) {
      assert.ok(refusal instanceof Refusal, String(refusal));
      assert.equal(refusal.code, 'quota-exceeded');
    }
    for (const one of asked) if (one.status === 'fulfilled') await ended(by, one.value);
    await allCounted(place);
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 2, reserved: 0 }]);
    const runs = await inTenant(place, ({ sql }) => sql('SELECT id FROM runs'));
    assert.equal(runs.length, 2);
  }).timeout(60_000);

  it('R5.2 is never more at once than may be, and a place is free again when a run ends', async () => {
    await limitedBy(place, { id: 'q', meter: 'runs.concurrent', window: 'concurrent', amount: 1 });
    const ask = { id: 'ask', kind: 'approval', role: 'owner', question: 'Go on?', timeoutSeconds: 3_600 };
    const workflowId = await makeWorkflow(by.tenantId, { steps: [ask] });
    const short = await makeWorkflow(by.tenantId, { steps: chain(1) });
    const first = await begun(by, { workflowId: short });
    await ended(by, first);
    await allCounted(place);
    const waits = await begun(by, { workflowId });
    await until(by, waits, ({ state }) => state === 'waiting');
    await assert.rejects(begun(by, { workflowId: short }), /1 run at once/);
    await allCounted(place);
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 1, reserved: 0 }]);
  }).timeout(60_000);

  it('R5.2 stops before the call of a tool that no limit has room for', async () => {
    await limitedBy(place, { id: 'q', meter: 'tool-calls', amount: 2 });
    const workflowId = await makeWorkflow(by.tenantId, { steps: chain(4) });
    const before = outside.effects.size;
    const { state, refusal, row } = await ended(by, await begun(by, { workflowId }));
    assert.deepEqual([state, row.refusal_code], ['refused', 'limit-quota']);
    assert.match(String(refusal), /t2: There is no room for 1 call more: the limit is 2 calls a month/);
    assert.equal(outside.effects.size - before, 2);
    await allCounted(place);
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 2, reserved: 0 }]);
  });

  it('R5.1 counts the tools that a model calls, and what it remembers', async () => {
    const agentId = await makeAgent(by.tenantId, {
      instructions: 'call: note {"text":"tea"}',
      tools: [{ kind: 'memory', name: 'note', access: 'write' }],
    });
    await ended(by, await begun(by, { agentId }, { prompt: 'x' }));
    await allCounted(place);
    const whose = { agent_id: agentId, key_id: by.principal.id };
    assert.deepEqual(await meterOf(place, 'tool-calls'), [{ ...whose, kind: 'memory', value: 1 }]);
    assert.deepEqual(await meterOf(place, 'steps'), [
      { ...whose, kind: 'call', value: 1 },
      { ...whose, kind: 'turn', value: 2 },
    ]);
  });
});
