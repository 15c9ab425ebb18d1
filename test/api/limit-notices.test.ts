import assert from 'node:assert/strict';
import { wakeTold } from '../../temporal/told.ts';
import { changeLimits } from '../support/limited.ts';
import { mailsTo } from '../support/mails.ts';
import { eachNear, notified, use } from '../support/near-limits.ts';
import { eventually } from '../support/traces.ts';

const tokens = (value: number, more: object = {}) => ({ meter: 'tokens.output' as const, value, ...more });

describe('what is told of a limit that is reached', () => {
  const near = eachNear();

  const mailed = async (count: number) => {
    const { admin, place } = near();
    await wakeTold(place.tenantId);
    await eventually(async () =>
      assert.deepEqual(await near().sql("SELECT id FROM notifications WHERE mail = 'pending'"), []),
    );
    const mails = await mailsTo(`${admin.id}@example.com`);
    assert.equal(mails.length, count);
    return mails.at(-1) ?? assert.fail();
  };
  const written = async (action: string) =>
    (await near().sql('SELECT id FROM audit_events WHERE action = $1', [action])).length;

  it('R5.3 R5.4 is one notice and one mail: what is reached, what happens now, until when, what can be done', async () => {
    const { admin, billing, place } = near();
    await use(place, tokens(10_000));
    for (const as of [admin, billing]) assert.equal((await notified(as)).length, 1);
    const [{ kind, title, text, data } = assert.fail()] = await notified(admin);
    assert.deepEqual([kind, data.threshold], ['quota.threshold', 100]);
    assert.deepEqual(
      data.restrictions?.map(({ measure }) => measure),
      ['refuse', 'slow'],
    );
    assert.equal(title, 'A limit is reached: 10,000 tokens a month; nothing new begins');
    const mail = await mailed(1);
    assert.match(mail.subject, /: A limit is reached: 10,000 tokens a month; nothing new begins$/);
    for (const said of [
      /^10,000 of 10,000 tokens a month are used, of which people are told at 100 %\.$/m,
      /^- New runs and calls of models are refused, until \d{4}-\d\d-01 00:00 \(UTC\)\.$/m,
      /^- Requests and runs are slowed down to 50 %, until /m,
      /POST \/v1\/quota-requests/,
      /Upgrade to Team/,
      /DELETE \/v1\/usage-restrictions\/rsn_\w+/,
    ]) {
      assert.match(mail.text, said);
      assert.match(text, said);
    }
    // What happened stands in the trail one by one.
    assert.deepEqual([await written('cross Quota'), await written('begin UsageRestriction')], [1, 3]);
  });

  it('R5.3 R5.4 is over in one notice and one mail as well, by whatever it is over', async () => {
    const { admin, place, watched } = near();
    await use(place, tokens(10_000));
    await changeLimits(place, "UPDATE quotas SET amount = 100000 WHERE id = 'plan.tokens'");
    await watched();
    const [, { kind, title, data } = assert.fail(), ...more] = await notified(admin);
    assert.deepEqual([kind, data.why, more.length], ['quota.resolved', 'raised', 0]);
    assert.deepEqual(
      data.restrictions?.map(({ measure }) => measure),
      ['refuse', 'slow'],
    );
    assert.equal(title, 'No longer near the limit: 100,000 tokens a month');
    const mail = await mailed(2);
    assert.match(mail.text, /It was raised\.\n10,000 of 100,000 tokens a month are used\./);
    assert.match(mail.text, /- nothing new begins\n- slowed down/);
    assert.equal(await written('end UsageRestriction'), 3);
  });

  it('R5.3 R5.4 is told at once, and in one, when a limit is lowered below what is used, and raised again', async () => {
    const { acme, admin, place } = near();
    const made = await acme.call<{ id: string }>('POST', '/v1/quotas', {
      meter: 'tokens',
      window: 'day',
      amount: 5_000,
    });
    await use(place, tokens(1_000));
    const path = `/v1/quotas/${made.body.id}`;
    assert.equal((await acme.call('PATCH', path, { amount: 900 })).status, 200);
    const kinds = async () => (await notified(admin)).map(({ kind, title }) => `${kind}: ${title}`);
    const reached = 'quota.threshold: A limit is reached: 900 tokens a day; nothing new begins';
    assert.deepEqual(await kinds(), [reached]);
    assert.equal((await acme.call('PATCH', path, { amount: 5_000 })).status, 200);
    assert.deepEqual(await kinds(), [
      reached,
      'quota.resolved: No longer near the limit: 5,000 tokens a day',
    ]);
  });

  it('R5.4 is one notice of all measures where no threshold is crossed with them, and says whose limit it is by name', async () => {
    const { acme, admin, place } = near();
    const agent = await acme.call<{ id: string }>('POST', '/v1/agents', { name: 'Devourer', model: 'demo' });
    const made = await acme.call<{ id: string }>('POST', '/v1/quotas', {
      ...{ meter: 'tokens', window: 'day', scope: 'agent', amount: 100, thresholds: [10] },
    });
    assert.equal(made.status, 201, made.text);
    await use(place, tokens(50, { agentId: agent.body.id }));
    await use(place, tokens(50, { agentId: agent.body.id }));
    const told = await notified(admin);
    assert.deepEqual(
      told.map(({ kind, title }) => `${kind}: ${title}`),
      [
        'quota.threshold: 10 % of a limit is used: 100 tokens a day for the agent Devourer',
        'restriction.begun: A limit is reached: 100 tokens a day for the agent Devourer; nothing new begins',
      ],
    );
    assert.doesNotMatch(told.map(({ text }) => text).join(), /agt_|told at null/);
  });
});
