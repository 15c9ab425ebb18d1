import assert from 'node:assert/strict';
import { abuseText, type LimitFacts, limitNoticeText, overText } from '../../policies/notice-text.ts';
import { requestText } from '../../policies/request-text.ts';
import type { RestrictionNotice } from '../../policies/restriction-notice.ts';

const facts: LimitFacts = {
  quotaId: 'qta_x',
  meter: 'tokens',
  window: 'month',
  scope: 'tenant',
  scopeName: '',
  zone: 'Europe/Berlin',
  threshold: 80,
  used: 1_650_000,
  amount: 2_000_000,
  resetsAt: new Date('2026-11-30T23:00:00Z'),
  exhaustedAt: new Date('2026-11-29T13:30:00Z'),
  top: {
    agents: [
      { name: 'Researcher', used: 1_200_000 },
      { name: 'Writer', used: 300_000 },
    ],
    principals: [{ name: 'Ada', used: 900_000 }],
    models: [{ name: 'demo', used: 1_650_000 }],
    unnamed: 150_000,
  },
  upgrade: { title: 'Team', amount: 500_000_000, price: '49.00 EUR' },
  hard: true,
  restrictions: [],
  askable: true,
};

const restriction: RestrictionNotice = {
  restrictionId: 'rsn_x',
  measure: 'slow',
  ...{
    scope: 'tenant',
    scopeId: '',
    cause: 'limit',
    madeBy: 'tenant',
    quotaId: 'plan.tokens',
    meter: 'tokens',
  },
  ...{ at: 95, used: 1_900_000, limit: 2_000_000, window: 'month', windowMinutes: null, factor: 0.5 },
  since: '2026-11-29T00:00:00.000Z',
  until: '2026-11-30T23:00:00.000Z',
};

describe('the mail about a limit', () => {
  it('R5.3 says how much of how much, when it will be reached on the clock of the limit, by whom, and what to do', () => {
    const { subject, text } = limitNoticeText(facts);
    assert.equal(subject, '80 % of a limit is used: 2,000,000 tokens a month');
    assert.equal(
      text,
      `1,650,000 of 2,000,000 tokens a month are used, of which people are told at 80 %.
If use goes on as it did, the limit is reached on 2026-11-29 14:30 (Europe/Berlin).
Its window turns on 2026-12-01 00:00 (Europe/Berlin).

Most of it is used by:
- agents: Researcher (1,200,000), Writer (300,000)
- people and keys: Ada (900,000)
- models: demo (1,650,000)
- no agent, as what is reported from outside without one: 150,000

What you can do:
- Use less: begin with what uses most. GET /v1/usage tells more.
- Ask for more, also for a time only: POST /v1/quota-requests; with ?dryRun=true it tells the price first.
- Upgrade to Team: 500,000,000 tokens a month, for 49.00 EUR a month.`,
    );
  });

  it('R5.3 says so when the limit is reached, when it will not be, and when it is the organisation’s own', () => {
    assert.match(
      limitNoticeText({ ...facts, used: 2_000_000 }).text,
      /The limit is reached now: what would use more of it is refused\./,
    );
    assert.match(limitNoticeText({ ...facts, exhaustedAt: null }).text, /not reached in this window/);
    const own = {
      ...facts,
      askable: false,
      upgrade: undefined,
      scope: 'agent' as const,
      scopeName: 'Writer',
    };
    const { subject, text } = limitNoticeText(own);
    assert.match(subject, /tokens a month for the agent Writer$/);
    assert.match(text, /a limit of your own; PATCH \/v1\/quotas\/qta_x changes it/);
    assert.doesNotMatch(text, /quota-requests|Upgrade/);
  });

  it('R5.4 says in the same text what is restricted until when, and how to lift what one’s own ladder does', () => {
    const platform = {
      ...restriction,
      restrictionId: 'rsn_y',
      measure: 'refuse' as const,
      madeBy: 'platform' as const,
    };
    const restrictions = [{ ...platform, until: null }, restriction];
    const { subject, text } = limitNoticeText({
      ...facts,
      threshold: null,
      hard: false,
      used: 2_000_000,
      restrictions,
    });
    assert.equal(subject, 'A limit is reached: 2,000,000 tokens a month; nothing new begins');
    assert.match(
      text,
      /^2,000,000 of 2,000,000 tokens a month are used\.\nThe limit is reached now\. It is a soft one/,
    );
    assert.match(
      text,
      /What happens now:\n- New runs and calls of models are refused, until less of it is used\.\n- Requests and runs are slowed down to 50 %, until 2026-12-01 00:00 \(Europe\/Berlin\)\.\n\n/,
    );
    assert.match(
      text,
      /- Lift what your own ladder does \(slowed down\): DELETE \/v1\/usage-restrictions\/rsn_x$/,
    );
    assert.doesNotMatch(text, /rsn_y/);
  });

  it('R5.4 advises to lift nothing that a hard limit refuses anyway', () => {
    const refused = { ...restriction, measure: 'refuse' as const, restrictionId: 'rsn_z' };
    const reached = { ...facts, used: 2_000_000, restrictions: [refused, restriction] };
    const { text } = limitNoticeText(reached);
    assert.match(text, /New runs and calls of models are refused/);
    assert.doesNotMatch(text, /rsn_z/);
    assert.match(text, /rsn_x/);
    for (const lifted of [{ hard: false }, { meter: 'egress.bytes' as const }])
      assert.match(limitNoticeText({ ...reached, ...lifted }).text, /rsn_z/);
  });

  it('R5.3 R5.4 says why it is over, and what is restricted no longer', () => {
    const { subject, text } = overText({ ...facts, why: 'raised', restrictions: [restriction] });
    assert.equal(subject, 'No longer near the limit: 2,000,000 tokens a month');
    assert.match(
      text,
      /It was raised\.\n1,650,000 of 2,000,000 tokens a month are used\.\n\nNo longer:\n- slowed down$/,
    );
    const only = overText({ ...facts, why: null, restrictions: [restriction] });
    assert.match(
      only.text,
      /^What was restricted because of the limit of 2,000,000 tokens a month is over\.\n/,
    );
  });

  it('R5.4 says of what looks like abuse who it is by name, why, and what to do', () => {
    const found = {
      ...restriction,
      scope: 'key' as const,
      scopeId: 'key_x',
      quotaId: null,
      measure: 'refuse' as const,
    };
    const spike = { ...found, cause: 'spike' as const, meter: 'api-calls' as const, used: 9_000, limit: 600 };
    const { subject, text } = abuseText('begun', { restrictions: [spike], scopeName: 'Nightly' });
    assert.equal(subject, 'Restricted: nothing new begins for the key Nightly');
    assert.match(
      text,
      /^The key Nightly begins nothing new, because it used 9,000 requests within an hour, where 600 would/,
    );
    assert.match(text, /revoke it/);
    assert.match(
      abuseText('ended', { restrictions: [spike], scopeName: 'Nightly' }).subject,
      /^No longer restricted: .* Nightly$/,
    );
  });

  it('R5.3 says what became of a request, of which limit in words', () => {
    const limit = { meter: 'runs', window: 'month', amount: 7, scope: 'tenant', scopeName: '' } as const;
    const request = { limit, asked: 9, granted: 8, zone: 'UTC' };
    const until = new Date('2026-12-01T00:00:00Z');
    const granted = requestText({ ...request, outcome: 'approved', until });
    assert.equal(granted.subject, 'Your request for more runs: approved');
    assert.match(granted.text, /^You asked for 9 runs a month\.\n/);
    assert.match(
      granted.text,
      /the limit is 8 runs a month until 2026-12-01 00:00 \(UTC\); it is then lowered/,
    );
    assert.match(requestText({ ...request, outcome: 'approved', until: null }).text, /without an end/);
    assert.match(requestText({ ...request, outcome: 'lapsed', until: null }).text, /ask again/);
    assert.match(
      requestText({ ...request, limit: undefined, outcome: 'refused', until: null }).text,
      /asked for 9\./,
    );
  });
});
