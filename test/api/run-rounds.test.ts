import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { keyHolder, useSharedModels } from '../support/people.ts';
import { makeWorkflow } from '../support/run-world.ts';
import type { Problem } from '../support/sign-in.ts';
import { member } from '../support/tenants.ts';

type Run = { id: string; state: string };

describe('rounds of runs', () => {
  before(() => useSharedModels());

  it('R2.3 count like new runs: nobody has more under way by retrying than may be at once', async () => {
    const acme = await member();
    const builder = await keyHolder(acme.tenant.id, 'builder');
    const ask = { id: 'ask', kind: 'approval', role: 'builder', question: 'Well?' };
    const workflowId = await makeWorkflow(acme.tenant.id, { steps: [ask] });
    const start = () => builder.call<Run & Problem>('POST', '/v1/runs', { workflowId });
    const { body: first } = await start();
    await builder.call('POST', `/v1/runs/${first.id}/cancellation`);
    const state = async () => (await acme.call<Run>('GET', `/v1/runs/${first.id}`)).body.state;
    for (const deadline = Date.now() + 20_000; (await state()) !== 'cancelled'; await pause(50))
      assert.ok(Date.now() < deadline, 'still not stopped');
    await acme.call('PUT', '/v1/settings/runs.maxConcurrent', { value: 1, reason: 'a test' });
    const second = await start();
    assert.equal(second.status, 202, second.text);
    const again = await builder.call<Problem>('POST', `/v1/runs/${first.id}/retries`, {});
    assert.deepEqual([again.status, again.body.code], [429, 'rate-limited'], again.text);
    assert.equal(await state(), 'cancelled');
  });
});
