import assert from 'node:assert/strict';
import { type KeyHolder, keyHolder, useSharedModels } from '../support/people.ts';
import { equip, makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { member } from '../support/tenants.ts';

const atOnce = 50;

describe('runs that are asked for at once', () => {
  let outside: Outside;
  let builder: KeyHolder;
  let workflowId: string;
  before(async () => {
    useSharedModels();
    const [{ tenant }, world] = await Promise.all([member(), startOutside()]);
    outside = world;
    builder = await keyHolder(tenant.id, 'builder');
    await equip(tenant.id, outside, builder.id);
    workflowId = await makeWorkflow(tenant.id, {
      steps: [{ id: 'yes', kind: 'condition', if: 'true' }],
    });
  });
  after(() => outside.stop());

  it('R2.3 all begin: fifty in one moment wait for each other and not in vain', async () => {
    const replies = await Promise.all(
      Array.from({ length: atOnce }, () => builder.call<{ id: string }>('POST', '/v1/runs', { workflowId })),
    );
    const refused = replies.filter(({ status }) => status !== 202);
    assert.deepEqual(
      refused.map(({ status, text }) => `${status} ${text}`),
      [],
    );
    assert.equal(new Set(replies.map(({ body }) => body.id)).size, atOnce);
  }).timeout(60_000);
});
