import assert from 'node:assert/strict';
import { Webhook } from 'standardwebhooks';
import { type KeyHolder, keyHolder, placed, useSharedModels } from '../support/people.ts';
import { makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { type Member, member } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';
import { type Hooks, hookServer, type Receiver, receiverIn, secretOf } from '../support/webhooks.ts';

type Told = { type: string; data: Record<string, string | number | null> };

describe('webhooks of runs', () => {
  let acme: Member;
  let builder: KeyHolder;
  let hooks: Hooks;
  let outside: Outside;
  let mine: Receiver;
  before(async () => {
    useSharedModels();
    [acme, hooks, outside] = await Promise.all([member(), hookServer(), startOutside()]);
    builder = await keyHolder(acme.tenant.id, 'builder');
    const events = ['run.finished', 'run.approval-needed'] as const;
    mine = await receiverIn(await placed(acme.tenant.id), hooks, { events: [...events] });
  });
  after(async () => {
    hooks.stop();
    await outside.stop();
  });

  const begun = async (steps: object[], input: object = {}): Promise<string> => {
    const workflowId = await makeWorkflow(acme.tenant.id, { steps });
    const reply = await builder.call<{ id: string }>('POST', '/v1/runs', { workflowId, input });
    assert.equal(reply.status, 202, reply.text);
    return reply.body.id;
  };
  const toldOf = (runId: string): Told[] =>
    hooks.received
      .filter(({ path, body }) => path === mine.path && body.includes(runId))
      .map(({ body, headers }) => new Webhook(secretOf(1)).verify(body, headers as never) as Told);
  const tells = (runId: string, count = 1): Promise<void> =>
    eventually(async () => assert.equal(toldOf(runId).length, count, JSON.stringify(toldOf(runId))));
  const condition = (expression: string) => [{ id: 'only', kind: 'condition', if: expression }];

  it('R6.4 tell once that a run has ended, in each of the ways it can, by ids and words only', async () => {
    const canary = 'webhookcanary';
    const ask = { id: 'ask', kind: 'approval', role: 'admin', question: `${canary}?` };
    const [succeeded, failed, refused, cancelled] = [
      await begun(condition('true'), { text: canary }),
      await begun(condition(`1 / 0 == 1 || '${canary}' == ''`)),
      await begun([ask]),
      await begun([ask]),
    ];
    await Promise.all([tells(refused), tells(cancelled)]);
    const [needed = assert.fail()] = toldOf(refused);
    assert.equal(needed.type, 'run.approval-needed');
    const { path, role, runId, dueAt } = needed.data;
    assert.deepEqual([path, role, runId], ['ask', 'admin', refused]);
    assert.ok(Date.parse(String(dueAt)) > Date.now());
    const no = { verdict: 'rejected', comment: canary };
    const admin = await keyHolder(acme.tenant.id, 'admin');
    assert.equal((await admin.call('POST', `/v1/runs/${refused}/approvals/ask`, no)).status, 200);
    assert.equal((await acme.call('POST', `/v1/runs/${cancelled}/cancellation`)).status, 202);
    await Promise.all([tells(succeeded), tells(failed), tells(refused, 2), tells(cancelled, 2)]);
    const ends = [succeeded, failed, refused, cancelled].map((run) => toldOf(run).at(-1));
    assert.ok(ends.every((told) => told?.type === 'run.finished'));
    assert.deepEqual(
      ends.map((told) => [told?.data.state, told?.data.code]),
      [
        ['succeeded', null],
        ['failed', 'expression'],
        ['refused', 'rejected'],
        ['cancelled', 'cancelled'],
      ],
    );
    assert.ok(!JSON.stringify(hooks.received).includes(canary));
  });

  it('R6.4 tell of each round of a run that is retried', async () => {
    const run = await begun(condition('1 / 0 == 1'));
    await tells(run);
    assert.equal((await acme.call('POST', `/v1/runs/${run}/retries`)).status, 202);
    await tells(run, 2);
    assert.deepEqual(
      toldOf(run).map(({ data }) => data.round),
      [1, 2],
    );
  });
});
