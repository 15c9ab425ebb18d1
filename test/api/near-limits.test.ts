import assert from 'node:assert/strict';
import { wakeTold } from '../../temporal/told.ts';
import { mailsTo } from '../support/mails.ts';
import { eachNear, notified, use } from '../support/near-limits.ts';
import { eventually } from '../support/traces.ts';

const run = (value: number) => ({ meter: 'runs' as const, value });

describe('near a limit', () => {
  const near = eachNear();

  it('R5.3 tells whoever administers, and of the plan’s limits whoever pays, once however many notice it', async () => {
    const { acme, admin, billing, viewer, place, sql, thresholds } = near();
    await use(place, run(79));
    assert.deepEqual(await thresholds(admin), []);
    await Promise.all(Array.from({ length: 5 }, () => use(place, run(2))));
    for (const as of [acme, admin, billing]) assert.deepEqual(await thresholds(as), [['plan.runs', 80]]);
    assert.deepEqual(await thresholds(viewer), []);
    await use(place, run(11));
    assert.deepEqual(await thresholds(admin), [
      ['plan.runs', 80],
      ['plan.runs', 100],
    ]);
    const crossings = await sql('SELECT threshold FROM quota_crossings ORDER BY 1');
    assert.deepEqual(
      crossings.map((row) => Object(row).threshold),
      [80, 90, 100],
    );
    const trail = await sql("SELECT details FROM audit_events WHERE action = 'cross Quota'");
    assert.equal(trail.length, 2);
  });

  it('R5.3 mails once, and calls the webhook once, with the forecast, the top consumers and the options', async () => {
    const { acme, admin, billing, viewer, place, sql, hooked } = near();
    const { body: agent } = await acme.call<{ id: string }>('POST', '/v1/agents', {
      name: 'Devourer',
      model: 'demo',
    });
    const spent = (value: number) => ({
      meter: 'tokens.output' as const,
      value,
      agentId: agent.id,
      userId: admin.id,
      model: 'demo-large',
    });
    await use(place, { meter: 'tokens.output', value: 500 });
    await use(place, spent(8_000));
    await Promise.all([wakeTold(place.tenantId), wakeTold(place.tenantId)]);
    const address = `${admin.id}@example.com`;
    await eventually(async () => assert.equal((await mailsTo(address)).length, 1));
    const [mail = assert.fail()] = await mailsTo(address);
    const [told = assert.fail()] = await notified(admin);
    assert.equal(mail.messageId.split('@')[0], `<${told.id}`);
    assert.match(mail.subject, /: 80 % of a limit is used: 10,000 tokens a month$/);
    assert.match(mail.text, /8,500 of 10,000 tokens a month are used/);
    assert.match(
      mail.text,
      /the limit is reached on \d{4}-\d\d-\d\d \d\d:\d\d \(UTC\)|not reached in this window/,
    );
    assert.match(mail.text, /agents: Devourer \(8,000\)/);
    assert.match(mail.text, /people and keys: A Person \(8,000\)/);
    assert.match(mail.text, /models: demo-large \(8,000\)/);
    assert.match(mail.text, /no agent, as what is reported from outside without one: 500/);
    assert.match(mail.text, /POST \/v1\/quota-requests/);
    assert.match(mail.text, /Upgrade to Team: 500,000,000 tokens a month, for 49\.00 EUR a month/);
    assert.ok((await mailsTo(`${billing.id}@example.com`)).length === 1);
    assert.deepEqual(await mailsTo(`${viewer.id}@example.com`), []);
    await eventually(async () => assert.equal(hooked().length, 1));
    const [event = assert.fail()] = hooked();
    assert.deepEqual([event.type, event.data.threshold, event.data.used], ['quota.threshold', 80, 8_500]);
    assert.deepEqual(await sql("SELECT id FROM notifications WHERE mail <> 'sent'"), []);
  });

  it('R5.3 sends a mail again under the same Message-ID when the note of it was lost', async () => {
    const { admin, place, sql } = near();
    await use(place, run(80));
    const address = `${admin.id}@example.com`;
    await wakeTold(place.tenantId);
    await eventually(async () => assert.equal((await mailsTo(address)).length, 1));
    await sql("UPDATE notifications SET mail = 'pending'");
    await wakeTold(place.tenantId);
    await eventually(async () => assert.equal((await mailsTo(address)).length, 2));
    const ids = new Set((await mailsTo(address)).map(({ messageId }) => messageId));
    assert.equal(ids.size, 1);
  });

  it('R5.3 mails nothing while the organisation is suspended, and nothing that is a day late', async () => {
    const { admin, place, sql } = near();
    await sql("UPDATE tenant SET state = 'suspended'");
    await use(place, run(80));
    await wakeTold(place.tenantId);
    await sql("UPDATE notifications SET created_at = now() - interval '25 hours'");
    await sql("UPDATE tenant SET state = 'active'");
    await wakeTold(place.tenantId);
    await eventually(async () =>
      assert.deepEqual(await sql('SELECT DISTINCT mail FROM notifications'), [{ mail: 'none' }]),
    );
    assert.deepEqual(await mailsTo(`${admin.id}@example.com`), []);
  });
});
