import assert from 'node:assert/strict';
import { inTenant, type Place } from '../../models/scope.ts';
import { charge } from '../../models/tenant/quota-charge.ts';
import { expireReservations, release, reserve, reserveIn } from '../../models/tenant/quota-ledger.ts';
import type { Reading } from '../../models/tenant/usage.ts';
import type { MeterName } from '../../policies/meters.ts';
import { changeLimits, limitedTenant, ownDatabases, refused, standing } from '../support/limited.ts';

const tokens = 'tokens.output' satisfies MeterName;

const used = (place: Place, value: number, more: Partial<Reading> = {}) =>
  inTenant(place, ({ sql }) =>
    charge(sql, [{ id: 'x', source: 'freehold', meter: tokens, at: new Date(), value, ...more }]),
  );

describe('the ledger of limits', () => {
  before(ownDatabases);

  it('R5.2 gives 500 who ask at once exactly as much as the limit, and not one unit more', async () => {
    const place = await limitedTenant([{ id: 'q', meter: 'runs', amount: 137 }]);
    const asked = await Promise.allSettled(
      Array.from({ length: 500 }, (_, at) =>
        at % 2 === 0
          ? reserve(place, { id: `r${at}`, seconds: 60 }, [{ meter: 'runs', amount: 1 }])
          : inTenant(place, ({ sql }) =>
              reserveIn(sql, { id: `r${at}`, seconds: 60 }, [{ meter: 'runs', amount: 1 }]),
            ),
      ),
    );
    const given = asked.filter(({ status }) => status === 'fulfilled').length;
    assert.equal(given, 137);
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 0, reserved: 137 }]);
  });

  it('R5.2 grants everything and keeps nothing where nothing is limited', async () => {
    const place = await limitedTenant([{ id: 'q', meter: 'runs', amount: 1 }]);
    const { amounts } = await reserve(place, { id: 'r', seconds: 60 }, [{ meter: tokens, amount: 5 }]);
    assert.deepEqual([...amounts], [[tokens, 5]]);
    const kept = await inTenant(place, ({ sql }) => sql('SELECT id FROM quota_reservations'));
    assert.deepEqual(kept, []);
  });

  it('R5.2 refuses with the limit, what is used and reserved, when it is free again, and what to do', async () => {
    const place = await limitedTenant([{ id: 'q', amount: 100 }]);
    await used(place, 30);
    await reserve(place, { id: 'r', seconds: 60 }, [{ meter: tokens, amount: 60 }]);
    const refusal = await refused(reserve(place, { id: 's', seconds: 60 }, [{ meter: tokens, amount: 11 }]));
    assert.equal(refusal.code, 'quota-exceeded');
    assert.match(
      refusal.message,
      /^There is no room for 11 tokens more: the limit is 100 tokens a month, of which 30 used and 60 reserved\. There is room again at \S+Z; wait, use less, or get more with POST \/v1\/quota-requests\.$/,
    );
    assert.ok((refusal.retryAfterSeconds ?? 0) > 0);
    const { resetsAt, ...quota } = refusal.extra.quota as Record<string, unknown>;
    assert.match(String(resetsAt), /-01T00:00:00\.000Z$/);
    assert.deepEqual(quota, { id: 'q', meter: 'tokens', limit: 100, used: 30, reserved: 60 });
  });

  it('R5.2 gives what is left where less will do, and never less than that', async () => {
    const place = await limitedTenant([{ id: 'q', amount: 100 }]);
    const ask = (id: string, amount: number, least?: number) =>
      reserve(place, { id, seconds: 60 }, [{ meter: tokens, amount, ...(least ? { least } : {}) }]);
    assert.equal((await ask('a', 80, 10)).amounts.get(tokens), 80);
    assert.equal((await ask('b', 80, 10)).amounts.get(tokens), 20);
    await refused(ask('c', 80, 10));
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 0, reserved: 100 }]);
  });

  it('R5.2 counts what was used and gives back the rest, once, also when it comes late or again', async () => {
    const place = await limitedTenant([{ id: 'q', amount: 100 }]);
    await reserve(place, { id: 'r', seconds: 60 }, [{ meter: tokens, amount: 60 }]);
    const [charged] = await used(place, 25, { reservationId: 'r' });
    assert.deepEqual([charged?.before, charged?.after, charged?.amount], [0, 25, 100]);
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 25, reserved: 0 }]);
    await used(place, 5, { reservationId: 'r' });
    await used(place, 5, { reservationId: 'nobody-knows' });
    await release(place, 'r');
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 35, reserved: 0 }]);
  });

  it('R5.2 holds once what is reserved twice under one id, and renews it', async () => {
    const place = await limitedTenant([{ id: 'q', amount: 100 }]);
    const ask = () => reserve(place, { id: 'r', seconds: 60 }, [{ meter: tokens, amount: 60 }]);
    const all = await Promise.all([ask(), ask(), ask()]);
    assert.deepEqual(
      all.map(({ amounts }) => amounts.get(tokens)),
      [60, 60, 60],
    );
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 0, reserved: 60 }]);
  });

  it('R5.2 gives back what the dead held, when it is needed and by the schedule, and counts what they used', async () => {
    const place = await limitedTenant([{ id: 'q', amount: 100 }]);
    const ask = (id: string, seconds: number) =>
      reserve(place, { id, seconds }, [{ meter: tokens, amount: 60 }]);
    await ask('dead', 0);
    await ask('alive', 0);
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 0, reserved: 60 }]);
    assert.equal(await inTenant(place, ({ sql }) => expireReservations(sql)), 1);
    assert.equal(await inTenant(place, ({ sql }) => expireReservations(sql)), 0);
    await used(place, 40, { reservationId: 'dead' });
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 40, reserved: 0 }]);
  });

  it('R5.2 lets children take from their parent’s budget, and of what it holds from nothing else', async () => {
    const place = await limitedTenant([{ id: 'q', amount: 100 }]);
    const ask = (id: string, amount: number, parentId?: string) =>
      reserve(place, { id, seconds: 60, parentId }, [{ meter: tokens, amount }]);
    await ask('run', 80);
    await ask('call-1', 50, 'run');
    await refused(ask('call-2', 31, 'run'));
    await ask('call-2', 30, 'run');
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 0, reserved: 80 }]);
    await used(place, 20, { reservationId: 'call-1' });
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 20, reserved: 60 }]);
    // Its own rest, and not what a child of it still holds.
    await release(place, 'run');
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 20, reserved: 30 }]);
    assert.match((await refused(ask('call-3', 1, 'run'))).message, /is over; begin again/);
    await used(place, 10, { reservationId: 'call-2' });
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 30, reserved: 0 }]);
  });

  it('R5.2 counts each agent, key, tag and run for itself, and all of them together', async () => {
    const place = await limitedTenant([
      { id: 'all', amount: 100 },
      { id: 'each', scope: 'agent', amount: 40 },
      { id: 'one', scope: 'tag', scopeId: 'loud', amount: 10 },
    ]);
    const ask = (id: string, amount: number, agentId: string, tags: string[] = []) =>
      reserve(place, { id, seconds: 60, agentId, tags }, [{ meter: tokens, amount }]);
    await ask('1', 40, 'agt_a');
    await refused(ask('2', 1, 'agt_a'));
    await ask('3', 30, 'agt_b', ['quiet']);
    assert.match((await refused(ask('4', 11, 'agt_c', ['loud']))).message, /for agents with the tag loud/);
    await ask('5', 10, 'agt_c', ['loud']);
    await refused(ask('6', 21, 'agt_d'));
    assert.deepEqual(await standing(place, 'each'), [
      { scopeId: 'agt_a', used: 0, reserved: 40 },
      { scopeId: 'agt_b', used: 0, reserved: 30 },
      { scopeId: 'agt_c', used: 0, reserved: 10 },
      { scopeId: 'agt_d', used: 0, reserved: 0 },
    ]);
  });

  it('R5.2 holds what is under way at once until it ends', async () => {
    const place = await limitedTenant([
      { id: 'q', meter: 'runs.concurrent', window: 'concurrent', amount: 1 },
    ]);
    const meter = 'runs.concurrent' as const;
    const start = (id: string) => reserve(place, { id, seconds: 60 }, [{ meter, amount: 1 }]);
    await start('a');
    await refused(start('b'));
    await used(place, 1, { meter, reservationId: 'a' });
    const refusal = await refused(start('b'));
    assert.match(refusal.message, /1 run at once, .* room again when something of it ends/);
    await used(place, -1, { meter });
    await start('b');
  });

  it('R5.2 lets through of a soft limit what is more than it, and says so in the meter alone', async () => {
    const place = await limitedTenant([{ id: 'q', amount: 10, hard: false }]);
    await reserve(place, { id: 'r', seconds: 60 }, [{ meter: tokens, amount: 60 }]);
    const [charged] = await used(place, 60, { reservationId: 'r' });
    assert.deepEqual([charged?.after, charged?.amount], [60, 10]);
  });

  it('R5.2 counts what was used in a rolling window, and forgets it only when the window has passed', async () => {
    const place = await limitedTenant([{ id: 'q', window: 'rolling', windowMinutes: 60, amount: 100 }]);
    const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000);
    await used(place, 50, { at: ago(70) });
    await used(place, 30, { at: ago(58) });
    await used(place, 40, { at: ago(5) });
    const refusal = await refused(reserve(place, { id: 'r', seconds: 60 }, [{ meter: tokens, amount: 31 }]));
    const { resetsAt } = refusal.extra.quota as { resetsAt: string };
    const minutes = (Date.parse(resetsAt) - Date.now()) / 60_000;
    assert.ok(minutes > 1 && minutes < 4, resetsAt);
    await reserve(place, { id: 's', seconds: 60 }, [{ meter: tokens, amount: 30 }]);
  });

  it('R5.2 holds a raise until its end and not a moment longer', async () => {
    const place = await limitedTenant([{ id: 'q', amount: 10 }]);
    const raise = (until: string) =>
      changeLimits(place, 'UPDATE quotas SET raised_to = 20, raised_until = now() + $1::interval', [until]);
    await raise('1 hour');
    await reserve(place, { id: 'a', seconds: 60 }, [{ meter: tokens, amount: 15 }]);
    await raise('-1 second');
    await refused(reserve(place, { id: 'b', seconds: 60 }, [{ meter: tokens, amount: 1 }]));
  });
});
