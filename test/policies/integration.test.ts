import assert from 'node:assert/strict';
import { egressReasonOf, refuseUnlessRegion } from '../../policies/egress.ts';
import {
  credentials,
  destinationOf,
  hintOf,
  stages,
  targets,
  verdictsOf,
  warnAtDays,
  warningDue,
} from '../../policies/integration.ts';
import { Refusal } from '../../policies/refusal.ts';
import { webhookDelaySeconds } from '../../policies/webhook.ts';

const now = new Date('2026-11-24T00:00:00Z');
const days = (count: number) => new Date(now.getTime() + count * 86_400_000);

describe('what is warned of', () => {
  it('R6.4 is each mark once, the nearest alone when several have passed, and nothing that is far', () => {
    assert.equal(warningDue(null, null, now), undefined);
    assert.equal(warningDue(days(31), null, now), undefined);
    let warned: number | null = null;
    const told: number[] = [];
    for (let left = 40; left > -5; left--) {
      const due = warningDue(days(left), warned, now);
      if (due === undefined) continue;
      warned = due;
      told.push(due);
    }
    assert.deepEqual(told, warnAtDays);
    assert.equal(warningDue(days(2), null, now), 7);
    assert.equal(warningDue(days(-100), 1, now), undefined);
  });
});

describe('a verdict', () => {
  it('R6.4 says of every stage whether it passed, failed or was not tried, and what to do', () => {
    for (const stage of stages) {
      const verdicts = verdictsOf({ stage });
      assert.deepEqual(
        verdicts.map((each) => each.stage),
        [...stages],
      );
      const failed = verdicts.filter(({ outcome }) => outcome === 'failed');
      assert.equal(failed.length, 1);
      assert.ok((failed[0]?.detail ?? '').length > 20);
      assert.ok(verdicts.slice(stages.indexOf(stage) + 1).every(({ outcome }) => outcome === 'not-tried'));
    }
  });
});

describe('a destination', () => {
  it('R6.4 is another when anything changes that decides where the secret is sent', () => {
    const http = {
      url: 'https://api.example.com/v1',
      auth: 'oauth2',
      tokenUrl: 'https://id.example.com/t',
      clientId: 'c',
    } as const;
    const same = destinationOf('http', { ...http, url: 'https://api.example.com/v2' });
    assert.equal(same, destinationOf('http', http));
    for (const change of [
      { url: 'https://api.example.org/v1' },
      { url: 'http://api.example.com/v1' },
      { url: 'https://api.example.com:8443/v1' },
      { tokenUrl: 'https://evil.example/t' },
    ])
      assert.notEqual(destinationOf('http', { ...http, ...change }), same, JSON.stringify(change));
    const smtp = {
      host: 'mail.example.com',
      port: 587,
      tls: 'starttls',
      username: 'u',
      from: 'a@b.example',
    } as const;
    assert.notEqual(destinationOf('smtp', { ...smtp, port: 25 }), destinationOf('smtp', smtp));
  });
});

describe('what is given', () => {
  it('R6.4 shows nothing of a short secret, and of a long one four characters', () => {
    assert.equal(hintOf('short-secret-15'), '');
    assert.equal(hintOf('a-secret-long-enough'), 'ough');
  });

  it('R6.4 must be a random secret of a webhook, and may hold no header of the transport', () => {
    const good = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
    assert.ok(credentials.webhook.safeParse(good).success);
    for (const bad of ['whsec_short', 'secret', `${good}!`, 'whsec_'])
      assert.ok(!credentials.webhook.safeParse(bad).success, bad);
    const http = { url: 'https://api.example.com', auth: 'header' };
    for (const header of ['Host', 'content-length', 'Proxy-Authorization', 'X Y', 'a:b', 'Cookie'])
      assert.ok(!targets.http.safeParse({ ...http, header }).success, header);
    assert.ok(targets.http.safeParse({ ...http, header: 'X-Api-Key' }).success);
    for (const url of [
      'file:///etc/passwd',
      'javascript:1',
      'https://u:p@x.example',
      'https://x.example/#f',
      'x',
    ])
      assert.ok(!targets.http.safeParse({ ...http, header: 'X-K', url }).success, url);
  });
});

describe('the region of a provider', () => {
  it('R6.4 is refused when it is unknown or not allowed, and is the tenant’s own by default', () => {
    refuseUnlessRegion('EU', null, 'EU');
    refuseUnlessRegion('US', ['EU', 'US'], 'EU');
    for (const [region, allowed] of [
      [undefined, null],
      [null, ['EU']],
      ['', ['EU']],
      ['US', null],
      ['EU', []],
      ['US', ['EU']],
    ] as const)
      assert.throws(
        () => refuseUnlessRegion(region, allowed && [...allowed], 'EU'),
        (thrown) => thrown instanceof Refusal && egressReasonOf(thrown) === 'region',
      );
  });
});

describe('a delivery', () => {
  it('R6.4 is tried later each time, for about three days', () => {
    assert.deepEqual(
      webhookDelaySeconds,
      webhookDelaySeconds.toSorted((one, other) => one - other),
    );
    const total = webhookDelaySeconds.reduce((sum, each) => sum + each, 0) / 86_400;
    assert.ok(total > 2.5 && total < 4, String(total));
  });
});
