import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { callerOf } from '../support/client.ts';
import { useSharedModels } from '../support/people.ts';
import { hostOf } from '../support/raw.ts';
import { freshSlug, invitationToken, member, onboard, password } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';
import { askFor, entries, everywhere, freshAddress, listsTo, listTo } from '../support/workspaces.ts';

const nobody = callerOf();

describe('asking for one’s workspaces', () => {
  before(useSharedModels);

  it('R3.1 mails the list to the address, with names and each tenant’s own host, across regions', async () => {
    const email = freshAddress();
    const tenants = await everywhere(email, [email, email.replace('ada', 'ADA')]);
    const { status } = await askFor(email.toUpperCase());
    assert.equal(status, 202);
    const mail = await listTo(email);
    assert.deepEqual(mail.links.toSorted(), tenants.map(({ slug }) => `http://${hostOf(slug)}/`).sort());
    for (const { slug } of tenants) assert.ok(mail.text.includes(`Works ${slug}`));
  });

  it('R3.1 answers the same, byte for byte, whether or not the address is known', async () => {
    const acme = await member();
    const same = { 'x-request-id': 'the-same-request' };
    const replies = [
      await askFor(acme.email, same),
      await askFor(freshAddress(), same),
      await askFor(acme.email, same),
    ];
    assert.deepEqual(
      replies.map((each) => each.status),
      [202, 202, 202],
    );
    assert.equal(new Set(replies.map((each) => each.text)).size, 1);
    const headers = replies.map(({ headers: { date: _a, ratelimit: _b, ...rest } }) => JSON.stringify(rest));
    assert.equal(new Set(headers).size, 1);
  });

  it('R3.1 mails nothing to an address nobody has, and starts nothing for it', async () => {
    const email = freshAddress();
    await askFor(email);
    await pause(500);
    assert.deepEqual(await listsTo(email), []);
    assert.deepEqual(await entries(email), []);
  });

  it('R3.1 mails one address no more often than its owner can bear, and tells nobody', async () => {
    const acme = await member();
    await eventually(async () => assert.equal((await entries(acme.email)).length, 1));
    for (let at = 0; at < 8; at++) {
      const { status } = await askFor(acme.email);
      assert.equal(status, 202);
      await pause(150);
    }
    await pause(1_000);
    const mails = await listsTo(acme.email);
    assert.ok(mails.length >= 1 && mails.length <= 3, `${mails.length} mails`);
  });

  it('R4.5 cannot be made to mail anybody else: addresses with tricks are refused, or are just unknown', async () => {
    const acme = await member();
    const tricks = [
      `${acme.email}\r\nBcc: evil@evil.example`,
      `${acme.email},evil@evil.example`,
      `${acme.email} evil@evil.example`,
      `"${acme.email}, evil"@evil.example`,
      `<evil@evil.example> ${acme.email}`,
      `${acme.email}\u0000`,
      `=?utf-8?q?evil=40evil.example?=`,
      [acme.email, 'evil@evil.example'],
      { address: acme.email },
      `${'a'.repeat(250)}@b.example`,
      'ada@acme-.example',
      `ada@${'a'.repeat(64)}.example`,
    ];
    for (const email of tricks) {
      const { status } = await askFor(email);
      assert.equal(status, 400, JSON.stringify(email));
    }
    await pause(300);
    assert.deepEqual(await listsTo('evil'), []);
    assert.deepEqual(await listsTo(acme.email), []);
  });

  it('R4.5 puts a tenant’s name into the mail as one line, whatever stands in it', async () => {
    const email = freshAddress();
    const slug = freshSlug();
    const name = 'A "B" <c@d.example>, =?utf-8?q?x?= Bcc: e@f.example';
    const made = await onboard({ name, admin: { email, name } });
    const token = await invitationToken(email);
    await nobody.call('POST', `/v1/invitations/${token}/acceptance`, { name: 'Ada', password });
    await eventually(async () => assert.equal((await entries(email)).length, 1));
    await askFor(email);
    const mail = await listTo(email);
    assert.equal(mail.to, email);
    assert.ok(mail.text.includes(`\n${name}\nhttp://${hostOf(made.slug)}/\n`), slug);
  });
});
