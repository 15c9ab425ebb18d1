import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { keyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Seeded, seedUsage } from '../support/seeded-meter.ts';
import { type Member, member } from '../support/tenants.ts';

type Series = { meter: string; of: Record<string, string>; values: (number | null)[]; total: number | null };
type Usage = {
  from: string;
  until: string;
  zone: string;
  takenUntil: string;
  buckets: { from: string; until: string }[];
  series: Series[];
  names: Record<string, string>;
};
type Problem = { detail: string; errors: { pointer: string; detail: string }[] };

/** The last Sunday of the latest March that is over, on which the clocks of Berlin went ahead. */
function lastSpring(): Date {
  const sunday = (year: number) => {
    const end = new Date(Date.UTC(year, 2, 31));
    return new Date(Date.UTC(year, 2, 31 - end.getUTCDay()));
  };
  const year = new Date().getUTCFullYear();
  return sunday(Date.now() > Date.UTC(year, 3, 2) ? year : year - 1);
}
const spring = lastSpring();
const dayAfter = (days: number) => new Date(spring.getTime() + days * 86_400_000).toISOString().slice(0, 10);
const day = dayAfter(0);
const at = (time: string) => Date.parse(`${day}T${time}Z`);

describe('what was used', () => {
  let acme: Member;
  let agentId: string;

  before(async () => {
    useSharedModels();
    acme = await member();
    agentId = (await acme.call<{ id: string }>('POST', '/v1/agents', { name: 'Support', model: 'demo' })).body
      .id;
    const readings: Seeded[] = [
      { meter: 'tokens.input', at: at('00:30:00'), value: 5, agentId, model: 'demo', runId: newId('run') },
      { meter: 'tokens.input', at: at('01:30:00'), value: 7, agentId: newId('agt'), model: 'demo' },
      { meter: 'tokens.input', at: at('23:30:00'), value: 11, agentId, userId: newId('usr') },
      { meter: 'runs', at: at('00:30:00'), agentId },
    ];
    await seedUsage(await placed(acme.tenant.id), readings);
  });

  const usage = (query: string, who: Pick<Member, 'call'> = acme) =>
    who.call<Usage>('GET', `/v1/usage?${query}`);
  const changing = `from=${day}&until=${dayAfter(2)}&meter=tokens.input`;

  it('R5.5 is shown in buckets of the zone asked for, empty ones too, also when the clocks change', async () => {
    const { status, body } = await usage(`${changing}&zone=Europe/Berlin`);
    assert.equal(status, 200);
    assert.deepEqual(body.buckets, [
      { from: `${dayAfter(-1)}T23:00:00.000Z`, until: `${day}T22:00:00.000Z` },
      { from: `${day}T22:00:00.000Z`, until: `${dayAfter(1)}T22:00:00.000Z` },
    ]);
    assert.deepEqual(
      body.series.map(({ values, total }) => [values, total]),
      [[[12, 11], 23]],
    );
    const hours = await usage(
      `from=${day}&until=${dayAfter(1)}&bucket=hour&meter=tokens.input,runs&zone=europe/berlin`,
    );
    assert.deepEqual([hours.body.zone, hours.body.buckets.length], ['Europe/Berlin', 23]);
    assert.deepEqual(
      hours.body.series.map(({ values }) => values.length),
      [23, 23],
    );
  });

  it('R5.5 is broken down by what one asks for, with names of what one may read', async () => {
    const { body } = await usage(`${changing}&groupBy=agent,model`);
    assert.deepEqual(
      body.series.map(({ of, total }) => [of.agentId === agentId, of.model, total]),
      [
        [true, '', 11],
        [false, 'demo', 7],
        [true, 'demo', 5],
      ],
    );
    assert.deepEqual(body.names, { [agentId]: 'Support' });
    const own = await usage(`${changing}&agentId=${agentId}`);
    assert.equal(own.body.series[0]?.total, 16);
    const runs = await usage(`from=${day}&until=${dayAfter(1)}&groupBy=run`);
    assert.ok(runs.body.series.some(({ of, total }) => of.runId?.startsWith('run_') && total === 5));
    const biller = await keyHolder(acme.tenant.id, 'billing');
    assert.deepEqual((await usage(`${changing}&groupBy=agent`, biller)).body.names, {});
  });

  it('R5.5 begins thirty days ago and shows every meter, if nothing else is said', async () => {
    const { body } = await acme.call<Usage>('GET', '/v1/usage');
    assert.equal(body.buckets.length, 31);
    assert.ok(body.series.length >= 17);
    assert.ok(Date.parse(body.takenUntil) <= Date.parse(body.until));
  });

  it('R5.5 refuses what nobody could read, and says what to ask for instead', async () => {
    const refused: [string, RegExp][] = [
      ['from=2020-01-01&until=2024-01-01&bucket=hour', /more than 10000 buckets.*longer buckets/],
      ['from=2026-03-31&until=2026-03-29', /must lie before until/],
      ['from=2026-02-30', /no such day/],
      ['until=2199-01-01', /within a year/],
      ['from=0000-01-01&until=0500-01-01&bucket=month', /not lie before 1970/],
      ['from=1969-12-31', /not lie before 1970/],
      ['meter=storage.bytes&groupBy=run', /cannot be told apart by run: storage.bytes/],
      ['from=2020-01-01&until=2020-01-03&zone=Asia/Kathmandu', /kept for 800 days/],
      ['meter=nothing', /one or more of tokens.input/],
      ['zone=Mars/Olympus', /name of a time zone/],
      ['state=holding', /“state” is not a field here. There are: .*zone/],
    ];
    for (const [query, expected] of refused) {
      const { status, body, text } = await acme.call<Problem>('GET', `/v1/usage?${query}`);
      assert.equal(status, 400, text);
      assert.match(body.errors[0]?.detail ?? body.detail, expected);
    }
  });

  it('R5.5 answers in the zone that was asked for, by the name it was asked by', async () => {
    const zoneOf = async (zone: string) =>
      (await acme.call<{ zone: string }>('GET', `/v1/usage?from=${day}&zone=${zone}`)).body.zone;
    assert.equal(await zoneOf('Asia/Kathmandu'), 'Asia/Kathmandu');
    assert.equal(await zoneOf('europe/berlin'), 'Europe/Berlin');
  });

  it('R5.5 is each organisation’s own', async () => {
    const globex = await member();
    const { body } = await usage(`${changing}&groupBy=agent`, globex);
    assert.deepEqual(body.series, []);
    const { body: asked } = await usage(`${changing}&agentId=${agentId}`, globex);
    assert.deepEqual([asked.series[0]?.total, asked.names], [0, {}]);
  });

  it('R5.5 is, for whoever may see their own, what they and their agents used', async () => {
    const rules = [{ effect: 'allow', action: 'read', subject: 'Usage', when: { ownerId: 'me' } }];
    const role = await acme.call('POST', '/v1/roles', { name: 'own-use', title: 'Own use', rules });
    assert.equal(role.status, 201, role.text);
    const someone = await signedInPerson(acme.tenant.id);
    assert.equal((await acme.call('PUT', `/v1/users/${someone.id}/roles/own-use`)).status, 200);
    await seedUsage(await placed(acme.tenant.id), [
      { meter: 'tokens.input', at: at('12:00:00'), value: 100, userId: someone.id },
    ]);
    const { status, body, text } = await usage(changing, someone);
    assert.equal(status, 200, text);
    assert.equal(body.series[0]?.total, 100);
  });
});
