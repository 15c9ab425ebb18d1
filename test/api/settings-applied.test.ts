import assert from 'node:assert/strict';
import { callerOf } from '../support/client.ts';
import { type Deployment, deployBeside } from '../support/deployment.ts';
import { freePort } from '../support/equipment.ts';
import { until } from '../support/runs.ts';
import { member } from '../support/tenants.ts';

type Version = { appliedEverywhere: boolean; lagging: { id: string }[] };
type Told = { value: unknown; origin: string };
const reason = 'a test';

describe('settings of the platform, with two API processes', () => {
  let deployment: Deployment;
  before(async () => {
    deployment = await deployBeside();
    await Promise.all([deployment.api(), deployment.worker()]);
  });
  after(() => deployment.stop());

  it('R6.5 hold in every process once they are said to, for tenants that have not said otherwise', async () => {
    const acme = await member({}, deployment);
    const [port, metricsPort] = [await freePort(), await freePort()];
    await deployment.api({ FREEHOLD_HTTP_PORT: String(port), FREEHOLD_METRICS_PORT: String(metricsPort) });
    const other = callerOf(acme.token, `http://127.0.0.1:${port}`);
    const { operator } = deployment;
    for (const steps of [500, 400, 300]) {
      // Both have it in memory before it changes.
      await Promise.all([acme, other].map((each) => each.call('GET', '/v1/settings/runs.maxSteps')));
      const set = { 'runs.maxSteps': steps };
      const changed = await operator.call<{ version: number }>('PATCH', '/v1/platform/settings', {
        set,
        reason,
      });
      assert.equal(changed.status, 200, changed.text);
      const path = `/v1/platform/settings/versions/${changed.body.version}`;
      await until(async () => (await operator.call<Version>('GET', path)).body.appliedEverywhere);
      for (const each of [acme, other]) {
        const { body } = await each.call<Told>('GET', '/v1/settings/runs.maxSteps');
        assert.deepEqual([body.value, body.origin], [steps, 'platform']);
      }
    }
    // What the platform has said is the most there is.
    const wider = await other.call('PUT', '/v1/settings/runs.maxSteps', { value: 301, reason });
    assert.equal(wider.status, 400);
    assert.match(wider.text, /must be within what the platform allows: 300/);
    const back = await operator.call<{ version: number }>(
      'POST',
      '/v1/platform/settings/versions/1/rollback',
      { reason },
    );
    assert.equal(back.body.version, 4);
    const both = await Promise.all(
      [1, 2].map((at) =>
        operator.call(
          'PATCH',
          '/v1/platform/settings',
          { set: { 'runs.maxDepth': at }, reason },
          { 'if-match': '"4"' },
        ),
      ),
    );
    assert.deepEqual(both.map(({ status }) => status).toSorted(), [200, 412]);
  }).timeout(60_000);
});
