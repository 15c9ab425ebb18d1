import assert from 'node:assert/strict';
import { watchLimits } from '../../activities/quota-watch.ts';
import { newId } from '../../models/ids.ts';
import { inTenant } from '../../models/scope.ts';
import { watchAbuse } from '../../models/tenant/abuse-watch.ts';
import { noteNetwork } from '../../models/tenant/key-network.ts';
import { usageDue } from '../../models/tenant/usage-due.ts';
import { settleRestrictions } from '../../models/tenant/usage-restriction-watch.ts';
import { keyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { used } from '../support/restrictions.ts';
import { madeRole, personWith } from '../support/roles.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';

type Restriction = { id: string; measure: string; cause: string; scope: { id: string }; until: string };

describe('the watch for abuse', () => {
  let acme: Member;
  beforeEach(async () => {
    useSharedModels();
    acme = await member();
  });

  const watch = async (now?: Date, most?: number) =>
    inTenant(await placed(acme.tenant.id), ({ sql }) => watchAbuse(sql, now, most));
  const set = (settings: object) => acme.call('PATCH', '/v1/settings', { set: settings, reason: 'a test' });
  const holding = async () =>
    (await acme.call<{ items: Restriction[] }>('GET', '/v1/usage-restrictions?holding=true')).body.items;
  const spike = async (keyId: string, value: number) =>
    used(acme.tenant.id, { meter: 'api-calls', value, keyId, userId: 'usr_owner', kind: 'read' });

  it('R5.4 slows a key down that does far more than in the same hours before, for a time, and says so', async () => {
    await set({ 'usage.spikeRequests': 100, 'usage.spikeFactor': 10 });
    const [steady, wild] = [newId('key'), newId('key')];
    await spike(steady, 99);
    await spike(wild, 1_001);
    assert.equal(await watch(), 1);
    assert.equal(await watch(), 0, 'what is known is not found again');
    const [found, ...others] = await holding();
    assert.deepEqual(
      [found?.cause, found?.measure, found?.scope.id, others.length],
      ['spike', 'slow', wild, 0],
      'of the key, and not of the person it belongs to as well',
    );
    const minutes = (Date.parse(String(found?.until)) - Date.now()) / 60_000;
    assert.ok(minutes > 59 && minutes <= 60, String(minutes));
    const told = await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql<{ data: { scopeId: string; restrictions: { cause: string }[] } }>(
        "SELECT data FROM notifications WHERE kind = 'restriction.begun'",
      ),
    );
    assert.deepEqual(
      told.map(({ data }) => [data.restrictions.map(({ cause }) => cause), data.scopeId]),
      [[['spike'], wild]],
    );
  });

  it('R5.4 judges nobody by what other systems report in their name, and nobody’s usual hours either', async () => {
    await set({ 'usage.spikeTokens': 1_000, 'usage.spikeFactor': 10 });
    const only = await madeRole(acme, [{ effect: 'allow', action: 'report', subject: 'Usage' }]);
    const reporter = await personWith(acme, only);
    const [key, person] = [
      await keyHolder(acme.tenant.id, 'viewer'),
      await signedInPerson(acme.tenant.id, 'builder'),
    ];
    const report = async (value: number, named: object, daysAgo = [0]) => {
      const events = daysAgo.map((days) => ({
        specversion: '1.0',
        id: freshSlug('event'),
        source: 'urn:stranger',
        type: 'tokens.input',
        time: new Date(Date.now() - days * 86_400_000).toISOString(),
        data: { value, ...named },
      }));
      const { body } = await reporter.call<{ accepted: number }>('POST', '/v1/usage/events', { events });
      assert.equal(body.accepted, events.length);
    };
    const enough = 100_000;
    await report(enough, { keyId: key.id }, [0, 1, 2, 3, 4]);
    await report(enough, { userId: person.id });
    assert.equal(await watch(), 0);
    assert.deepEqual(await holding(), []);
    await used(acme.tenant.id, { value: enough, keyId: key.id });
    await watch();
    assert.deepEqual(
      (await holding()).map(({ scope }) => scope.id),
      [key.id],
    );
    // Everywhere else it is one sum.
    await used(acme.tenant.id, { value: 1, userId: person.id });
    const path = `/v1/usage?meter=tokens.input&userId=${person.id}&groupBy=user`;
    const { body } = await acme.call<{ series: { total: number }[] }>('GET', path);
    assert.deepEqual(
      body.series.map(({ total }) => total),
      [enough + 1],
    );
  });

  it('R5.4 restricts no more than so many in one transaction, and the rest when it looks again', async () => {
    await set({ 'usage.spikeRequests': 100, 'usage.spikeFactor': 10 });
    for (const keyId of [newId('key'), newId('key'), newId('key')]) await spike(keyId, 1_001);
    assert.deepEqual([await watch(undefined, 2), await watch(undefined, 2), await watch()], [2, 1, 0]);
  });

  it('R5.4 compares with the same hours of earlier days', async () => {
    await set({ 'usage.spikeRequests': 100, 'usage.spikeFactor': 2 });
    const keyId = newId('key');
    await spike(keyId, 500);
    await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql(
        `INSERT INTO usage_hours SELECT series, hour - make_interval(days => d), value * 0.6, events, peak, last, last_at, weighted
         FROM usage_hours, generate_series(1, 5) AS d WHERE value = 500`,
      ),
    );
    assert.equal(await watch(), 0, 'usual is 300, so 500 is not far above');
    await spike(keyId, 200);
    assert.equal(await watch(), 1);
  });

  it('R5.4 refuses everything to a key that comes from many networks, if that is what is wanted', async () => {
    await set({ 'usage.keyNetworks': 3, 'usage.abuseMeasure': 'refuse' });
    const key = await keyHolder(acme.tenant.id, 'viewer');
    const place = await placed(acme.tenant.id);
    for (let network = 0; network < 4; network += 1)
      await inTenant(place, ({ sql }) => noteNetwork(sql, key.id, `10.0.${network}`));
    assert.equal(await watch(), 1);
    await eventually(async () => assert.equal((await key.call('GET', '/v1/agents')).status, 429));
    const [found] = await holding();
    assert.equal((await acme.call('DELETE', `/v1/usage-restrictions/${found?.id}`)).status, 200);
    await eventually(async () => assert.equal((await key.call('GET', '/v1/agents')).status, 200));
    assert.equal(await watch(), 0, 'somebody has looked at it and said that it is well');
  });

  it('R5.4 keeps of where a key comes from no more than how many places it is', async () => {
    const key = await keyHolder(acme.tenant.id, 'viewer');
    await key.call('GET', '/v1/agents');
    await eventually(async () => {
      const found = await inTenant(await placed(acme.tenant.id), ({ sql }) =>
        sql<{ network: string }>('SELECT network FROM key_networks WHERE key_id = $1', [key.id]),
      );
      assert.equal(found.length, 1);
      assert.doesNotMatch(JSON.stringify(found), /127|::1/);
    });
  });

  it('R5.4 finds a key that is refused again and again, and does not count what it refuses itself', async () => {
    await set({ 'usage.keyRefusals': 2 });
    const key = await keyHolder(acme.tenant.id, 'viewer');
    for (let time = 0; time < 3; time += 1)
      assert.equal((await key.call('POST', '/v1/agents', { name: 'x', model: 'demo' })).status, 403);
    assert.equal(await watch(), 1);
    const [found] = await holding();
    assert.deepEqual([found?.cause, found?.scope.id], ['key-refusals', key.id]);
  });

  it('R5.4 ends by itself when its time is over, and looks for nothing that is switched off', async () => {
    await set({ 'usage.spikeRequests': 100, 'usage.spikeFactor': 1 });
    await spike(newId('key'), 1_000);
    assert.equal(await watch(), 1);
    const later = new Date(Date.now() + 3_601_000);
    const place = await placed(acme.tenant.id);
    await inTenant(place, ({ sql }) => settleRestrictions(sql, later));
    const ended = await inTenant(place, ({ sql }) =>
      sql('SELECT id FROM usage_restrictions WHERE ended_at IS NOT NULL'),
    );
    assert.equal(ended.length, 1);
    await set({ 'usage.abuseRules': [] });
    assert.equal(await watch(), 0);
  });

  it('R5.4 is looked after by the meter’s schedule, for who has used anything and for whom anything holds', async () => {
    const place = await placed(acme.tenant.id);
    await set({ 'usage.spikeRequests': 100, 'usage.spikeFactor': 1 });
    await spike(newId('key'), 1_000);
    assert.equal((await usageDue(place)).watch, true);
    await watchLimits(place);
    assert.deepEqual(
      (await holding()).map(({ cause }) => cause),
      ['spike'],
    );
    await watchLimits(place, new Date(Date.now() + 3_601_000));
    const kinds = await inTenant(place, ({ sql }) =>
      sql<{ kind: string }>('SELECT kind FROM notifications ORDER BY id'),
    );
    assert.deepEqual(
      kinds.map(({ kind }) => kind),
      ['restriction.begun', 'restriction.ended'],
    );
  });
});
