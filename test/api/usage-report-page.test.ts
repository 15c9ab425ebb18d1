import assert from 'node:assert/strict';
import { parse } from 'csv-parse/sync';
import { placed, useSharedModels } from '../support/people.ts';
import { type Seeded, seedUsage } from '../support/seeded-meter.ts';
import { type Member, member } from '../support/tenants.ts';

describe('the page of a usage report', () => {
  let acme: Member;
  let page: string;
  let clerk: string;
  const at = Date.now() - 120_000;

  const run = (agentId: string, value: number, kind = 'succeeded'): Seeded[] => [
    { meter: 'runs', at, agentId },
    { meter: 'runs.concurrent', at, agentId, value: 1 },
    { meter: 'runs.concurrent', at: at + 1_000, agentId, value: -1 },
    { meter: 'tokens.input', at, agentId, model: 'demo', value },
    { meter: 'runs.ended', at: at + 1_000, agentId, kind },
  ];

  before(async () => {
    useSharedModels();
    acme = await member();
    const made = async (path: string, body: object) =>
      (await acme.call<{ id: string }>('POST', path, body)).body.id;
    const caller = await made('/v1/agents', { name: 'Caller', model: 'demo' });
    clerk = await made('/v1/agents', { name: 'Clerk', model: 'demo' });
    await made('/v1/agents', { name: 'Greeter', model: 'demo' });
    const key = await made('/v1/api-keys', { name: 'CI', kind: 'service', roles: ['viewer'] });
    await seedUsage(await placed(acme.tenant.id), [
      ...[...run(caller, 70), ...run(clerk, 81), ...run(clerk, 0, 'refused'), ...run(clerk, 0, 'failed')],
      { meter: 'tokens.input', at: at - 40 * 86_400_000, value: 3 },
      { meter: 'tokens.input', at, value: 21_510 },
      { meter: 'api-calls', at, keyId: key, kind: 'read', value: 5 },
      { meter: 'seats', at, value: 2 },
    ]);
    page = (await acme.call('GET', '/v1/usage/report?format=html')).text;
  });

  it('R5.5 lets a wide table move in its card, so that the page fits a telephone', () => {
    const tables = page.match(/<table>/g) ?? [];
    assert.ok(tables.length >= 3);
    assert.equal(
      page.match(/<div class="wide" role="region" aria-label="[^"]+" tabindex="0"><table>/g)?.length,
      tables.length,
    );
    assert.deepEqual(page.match(/minmax\(\d+px/g), null);
  });

  /** The card with this title. */
  const card = (title: string) =>
    page
      .split('<div class="card')
      .find((each) => each.includes(title.includes('<') ? `>${title}` : `>${title}</h3>`)) ??
    assert.fail(title);

  it('R5.5 never says 0 of what there is, and draws what was measured once', () => {
    const levels = card('Runs at once');
    assert.match(levels, /<span class="total">&lt; 0\.001<\/span>/);
    assert.equal(levels.match(/<text class="tick"[^>]*>0<\/text>/g)?.length, 1);
    assert.match(
      (page.split('What was used')[1] ?? '')
        .split('<div class="card')
        .find((each) => each.includes('>Seats</h3>')) ?? '',
      /<circle class="dot"/,
    );
  });

  it('R5.5 says of storage that it was not measured yet, instead of 0', () => {
    assert.match(card('Storage'), /not measured yet, of 50 GiB/);
  });

  it('R5.5 says how many times as much, where percent would say little', () => {
    assert.match(card('Tokens read'), /▲ 7,\d\d\d times as much/);
    assert.doesNotMatch(page, /\d,\d{3}(\.\d+)? %/);
  });

  it('R5.5 orders by cost, draws bars of it and says what is nobody’s, so that tables add up', () => {
    const agents = card('Agents</h3><div class="wide"');
    assert.ok(agents.indexOf('Clerk') < agents.indexOf('Caller'));
    assert.match(agents, /no agent<\/td><td>€0.0086<\/td><td>21.5K/);
    assert.match(card('API keys'), /class="plain" width="0"/);
    assert.match(card('Models'), /no model/);
  });

  it('R5.5 tells runs that failed from those that a rule or a limit ended', () => {
    assert.match(page, /Runs that failed<\/td><td>25 %/);
    assert.match(page, /Runs ended by a rule or a limit<\/td><td>25 %/);
  });

  it('R5.5 says where the same is found in words that people read', () => {
    assert.match(page, /<dt>As a sheet<\/dt><dd><code>\/v1\/usage\/report\?from=\d{4}-[\dT:.-]+Z&amp;/);
    assert.match(page, /did nothing in this time: Greeter<\/p>/);
  });

  it('R5.5 gives limits in the sheet their unit and window, and numbers as decimals', async () => {
    const scope = { scope: 'agent', scopeId: clerk, meter: 'runs', window: 'rolling', windowMinutes: 2_880 };
    assert.equal((await acme.call('POST', '/v1/quotas', { ...scope, amount: 2 })).status, 201);
    const { text } = await acme.call('GET', '/v1/usage/report?format=csv');
    const lines = parse(text, { columns: true, bom: true }) as Record<string, string>[];
    const own = lines.find(
      ({ part, name, what }) => part === 'limit' && name?.includes('Clerk') && what === 'amount',
    );
    assert.deepEqual(
      [own?.name, own?.unit, own?.window, own?.value],
      ['Runs started in any 2 days for the agent Clerk', 'runs', 'rolling, 2880 minutes', '2'],
    );
    for (const { value = '', before = '', unit } of lines.filter(({ unit }) => unit !== 'time'))
      for (const number of [value, before]) assert.match(number, /^(\d+(\.\d{1,6})?)?$/, unit);
    const nobodys = lines.find(({ name, part, what }) => `${name} ${part} ${what}` === 'nobody users tokens');
    assert.equal(nobodys?.value, '21661');
  });
});
