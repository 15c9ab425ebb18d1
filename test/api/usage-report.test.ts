import assert from 'node:assert/strict';
import { parse } from 'csv-parse/sync';
import { busyTenant } from '../support/busy-tenant.ts';
import { keyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

type Consumer = { id: string; tokens: number; runs: number; costMinor: number };
type Report = {
  meters: {
    meter: string;
    total: number | null;
    previous: number | null;
    change: number | null;
    values: number[];
  }[];
  buckets: object[];
  previous: { from: string; until: string };
  limits: { id: string; amount: number; used: number }[] | null;
  top: Record<'agents' | 'workflows' | 'users' | 'keys' | 'models', Consumer[]>;
  cost: { perSuccessfulRunMinor: number; usedMinor: number; succeeded: number; missing: string[] };
  efficiency: { now: { failedShare: number; cachedShare: number; tokensPerSuccessfulRun: number } };
  idle: { agents: { count: number; ids: string[] }; limits: { limit: string; idle: number }[] } | null;
  rightSizing: { proposed: { name: string; savingMinor: number } | null; missing: string[] } | null;
  names: Record<string, string>;
};

const hostile = '=HYPERLINK("http://x")<script>alert(1)</script>';

describe('the usage report', () => {
  let acme: Member;
  let agents: string[];

  before(async () => {
    useSharedModels();
    acme = await member();
    ({ agents } = await busyTenant(acme, await placed(acme.tenant.id), 130));
    const renamed = await acme.call('PATCH', `/v1/agents/${agents[0]}`, { name: hostile });
    assert.equal(renamed.status, 200, renamed.text);
  });

  const report = (query = '', who: Pick<Member, 'call'> = acme, headers = {}) =>
    who.call<Report>('GET', `/v1/usage/report?zone=Europe/Berlin${query}`, undefined, headers);

  it('R5.5 says what each meter came to, how it went, and by how much more than before', async () => {
    const { status, body, text } = await report();
    assert.equal(status, 200, text);
    const runs = body.meters.find(({ meter }) => meter === 'runs');
    assert.equal(body.buckets.length, 31);
    assert.equal(
      runs?.total,
      runs?.values.reduce((sum, value) => sum + value, 0),
    );
    assert.equal(runs?.change, ((runs?.total ?? 0) - (runs?.previous ?? 0)) / (runs?.previous ?? 1));
    assert.deepEqual(body.limits?.map(({ id }) => id).sort(), [
      'plan.agents',
      'plan.runs',
      'plan.seats',
      'plan.storageBytes',
      'plan.tokens',
    ]);
    assert.ok((body.limits?.find(({ id }) => id === 'plan.tokens')?.used ?? 0) > 0);
  });

  it('R5.5 compares whole months with whole months, and anything else with as many days', async () => {
    const year = new Date().getUTCFullYear() - (new Date().getUTCMonth() < 10 ? 1 : 0);
    const { body: october } = await report(`&from=${year}-10-01&until=${year}-11-01`);
    assert.deepEqual(october.previous, {
      from: `${year}-08-31T22:00:00.000Z`,
      until: `${year}-09-30T22:00:00.000Z`,
    });
    const { body: days } = await report(`&from=${year}-10-02&until=${year}-10-12`);
    assert.deepEqual(days.previous, {
      from: `${year}-09-21T22:00:00.000Z`,
      until: `${year}-10-01T22:00:00.000Z`,
    });
  });

  it('R5.5 names who used most, and what a run that succeeded cost', async () => {
    const { body } = await report();
    assert.equal(body.names[agents[0] ?? ''], hostile);
    const people = body.top.users.map(({ id }) => body.names[id]);
    for (const name of ['Amal Haddad', 'Jonas Weber', 'Rosa Lindqvist']) assert.ok(people.includes(name));
    const { body: unnamed } = await report('', await keyHolder(acme.tenant.id, 'billing'));
    assert.deepEqual(
      [unnamed.top.users.length, Object.keys(unnamed.names).filter((id) => id.startsWith('usr_'))],
      [body.top.users.length, []],
    );
    const costs = body.top.agents.map(({ costMinor }) => costMinor);
    assert.deepEqual(
      costs,
      [...costs].sort((a, b) => b - a),
    );
    const sum = (all: Consumer[]) => all.reduce((total, { tokens }) => total + tokens, 0);
    assert.equal(sum(body.top.agents), sum(body.top.models));
    const { cost } = body;
    assert.equal(cost.perSuccessfulRunMinor, cost.usedMinor / cost.succeeded);
    // Tokens at 0.40 a million, runs at 2.00 a thousand.
    const runs = body.meters.find(({ meter }) => meter === 'runs')?.total ?? 0;
    assert.ok(Math.abs(cost.usedMinor - (sum(body.top.agents) * 40e-6 + runs * 0.2)) < 1e-6);
    const { now } = body.efficiency;
    assert.ok(now.failedShare > 0 && now.failedShare < 0.2);
    assert.ok(Math.abs(now.cachedShare - 0.42) < 0.01);
  });

  it('R5.5 says what is paid for and not used, and which plan would have held it for less', async () => {
    const { body } = await report();
    assert.deepEqual(body.idle?.agents, { count: 1, ids: [agents[4]] });
    assert.equal(body.idle?.limits.length, 5);
    assert.equal(body.rightSizing?.proposed?.name, 'free');
    assert.ok((body.rightSizing?.proposed?.savingMinor ?? 0) > 0);
  });

  it('R5.5 says what is missing where there is nothing to judge by', async () => {
    const { body } = await report('', await member());
    assert.match(body.rightSizing?.missing.join() ?? '', /One whole calendar month/);
    assert.match(body.cost.missing.join(), /A run that succeeded/);
    assert.equal(body.cost.perSuccessfulRunMinor, null);
  });

  it('R5.5 is a sheet that no spreadsheet takes for formulas', async () => {
    const { headers, text } = await report('', acme, { accept: 'text/csv' });
    assert.match(String(headers['content-type']), /^text\/csv; charset=utf-8/);
    assert.match(
      String(headers['content-disposition']),
      /^attachment; filename="usage-\d{4}-\d\d-\d\d.csv"$/,
    );
    const lines = parse(text, { columns: true, bom: true }) as Record<string, string>[];
    const cells = lines.flatMap((line) => Object.values(line));
    assert.ok(cells.some((cell) => cell.includes('HYPERLINK')));
    assert.deepEqual(
      cells.filter((cell) => /^[=+\-@\t\r]/.test(cell)),
      [],
    );
    const total = lines.find(({ part, what }) => part === 'total' && what === 'runs');
    assert.ok(Number(total?.value) > 0);
  });

  it('R5.5 is a page that needs nothing from anywhere and lets nothing of a name become markup', async () => {
    const { status, headers, text } = await report('&format=html');
    assert.equal(status, 200);
    assert.match(String(headers['content-type']), /^text\/html/);
    assert.match(
      String(headers['content-security-policy']),
      /^default-src 'none'; style-src 'sha256-[\w+/]+=*'; .*frame-ancestors 'none'$/,
    );
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.ok(!/<script|<link|<img|<iframe|@import|url\(|\ssrc=|\son\w+=/i.test(text));
    assert.ok(!/https?:\/\/(?!x)/.test(text.replaceAll('&quot;', '"')));
    assert.ok(text.includes('=HYPERLINK(&quot;http://x&quot;)&lt;script&gt;'));
    assert.ok((text.match(/<svg class="trend"/g) ?? []).length >= 10);
    assert.ok(!text.includes('NaN') && !text.includes('undefined'));
  });

  it('R5.5 also draws a time in which nothing happened', async () => {
    const { status, text } = await report('&format=html&from=2026-01-01&until=2026-01-03', await member());
    assert.equal(status, 200);
    assert.match(text, /Nothing was used in this time/);
    assert.ok(!text.includes('NaN'));
  });

  it('R5.5 tells those who may see their own use of that alone, and those who may see none nothing', async () => {
    const rules = [{ effect: 'allow', action: 'read', subject: 'Usage', when: { ownerId: 'me' } }];
    await acme.call('POST', '/v1/roles', { name: 'own-use', title: 'Own use', rules });
    const someone = await signedInPerson(acme.tenant.id);
    await acme.call('PUT', `/v1/users/${someone.id}/roles/own-use`);
    const { status, body } = await report('', someone);
    assert.equal(status, 200);
    assert.ok(Object.keys(body.names).every((id) => id === someone.id));
    assert.deepEqual([body.top.agents, body.idle, body.limits, body.rightSizing], [[], null, null, null]);
    for (const format of ['', '&format=html', '&format=csv'])
      assert.equal((await report(format, await keyHolder(acme.tenant.id, 'viewer'))).status, 403);
  });

  it('R5.5 is not made of more time than it could tell of', async () => {
    const { status, text } = await report('&from=2020-01-01&until=2026-01-01');
    assert.equal(status, 400);
    assert.match(text, /more than 800 days/);
  });

  it('R5.5 names limits on its page as people say them, and whose they are', async () => {
    const scopeId = agents[1] ?? assert.fail();
    const { body: agent } = await acme.call<{ name: string }>('GET', `/v1/agents/${scopeId}`);
    const limit = { meter: 'tokens', window: 'rolling', windowMinutes: 2_880, scope: 'agent', scopeId };
    const made = await acme.call('POST', '/v1/quotas', { ...limit, amount: 1_000 });
    assert.equal(made.status, 201, made.text);
    const { text } = await report('&format=html');
    assert.ok(text.includes(`<h3>Tokens in any 2 days for the agent ${agent.name}</h3>`), text);
    assert.ok(text.includes('<h3>Tokens a month</h3>'));
    assert.ok(!text.includes(`agent ${scopeId}`));
  });
});
