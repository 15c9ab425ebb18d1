import assert from 'node:assert/strict';
import pg from 'pg';
import { cellOf } from '../../models/databases.ts';
import { schemaOf } from '../../models/ids.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { charge } from '../../models/tenant/quota-charge.ts';
import { reserve, reserveIn } from '../../models/tenant/quota-ledger.ts';
import type { MeterName } from '../../policies/meters.ts';
import { Refusal } from '../../policies/refusal.ts';
import { cell } from '../support/catalogue.ts';
import { limitedTenant, ownDatabases, standing } from '../support/limited.ts';

const ask = (place: Place, id: string, meter: MeterName) =>
  reserve(place, { id, seconds: 60 }, [{ meter, amount: 5 }]);

/** Another session holds the ledger's tables for as long as the act takes. */
async function whileLocked(place: Place, tables: string[], act: () => Promise<void>): Promise<void> {
  const other = new pg.Client({ connectionString: cellOf(cell).url });
  await other.connect();
  try {
    const names = tables.map((table) => `${schemaOf(place.tenantId)}.${table}`).join(', ');
    await other.query(`BEGIN; LOCK TABLE ${names} IN ACCESS EXCLUSIVE MODE`);
    await act();
  } finally {
    await other.end();
  }
}

const isUnavailable = (cause: unknown) => {
  assert.ok(cause instanceof Refusal && cause.code === 'unavailable', String(cause));
  assert.match(cause.message, /cannot be looked up right now, so it does not begin/);
  return true;
};

describe('limits whose ledger does not answer', () => {
  let place: Place;
  before(async () => {
    await ownDatabases();
    place = await limitedTenant([
      { id: 'closed', meter: 'tokens.output', amount: 100 },
      { id: 'open', meter: 'tool-calls', amount: 100, unreachable: 'allow' },
      { id: 'soft', meter: 'egress.bytes', amount: 100, hard: false },
    ]);
  });

  for (const tables of [
    ['quota_counters', 'quota_reservations'],
    ['quotas', 'quota_counters'],
  ]) {
    it(`R5.2 refuse where they are closed and go on where they are open (${tables.join(', ')} locked)`, async () => {
      await ask(place, 'before', 'tool-calls'); // What is limited is known in this process from now on.
      await whileLocked(place, tables, async () => {
        const [closed, open, soft, free] = await Promise.allSettled([
          ask(place, 'a', 'tokens.output'),
          ask(place, 'b', 'tool-calls'),
          ask(place, 'c', 'egress.bytes'),
          ask(place, 'd', 'steps'),
        ]);
        assert.ok(closed.status === 'rejected' && isUnavailable(closed.reason));
        for (const each of [open, soft, free])
          assert.equal(each.status === 'fulfilled' && [...each.value.amounts.values()][0], 5);
      });
    });
  }

  it('R5.2 let the act’s own transaction go on where they are open', async () => {
    const within = (id: string, meter: MeterName) =>
      inTenant(place, async ({ sql }) => {
        await sql('UPDATE tenant SET state = state');
        await reserveIn(sql, { id, seconds: 60 }, [{ meter, amount: 5 }]);
        return sql('SELECT 1 AS one');
      });
    await whileLocked(place, ['quota_counters'], async () => {
      assert.deepEqual(await within('e', 'tool-calls'), [{ one: 1 }]);
      await assert.rejects(within('f', 'tokens.output'), isUnavailable);
    });
  });

  it('R5.2 count later what went on without them', async () => {
    await inTenant(place, ({ sql }) =>
      charge(sql, [
        { id: 'x', source: 'freehold', meter: 'tool-calls', at: new Date(), value: 4, reservationId: 'b' },
      ]),
    );
    assert.equal((await standing(place, 'open'))[0]?.used, 4);
  });

  it('R5.2 hold exactly again as soon as it answers', async () => {
    await ask(place, 'g', 'tokens.output');
    assert.equal((await standing(place, 'closed'))[0]?.reserved, 5);
  });
});
