import assert from 'node:assert/strict';
import fc from 'fast-check';
import { inTenant, type Place, type Sql } from '../../models/scope.ts';
import { charge } from '../../models/tenant/quota-charge.ts';
import { expireReservations, keepIn, release, reserve, reserveIn } from '../../models/tenant/quota-ledger.ts';
import { Refusal } from '../../policies/refusal.ts';
import { asked } from '../support/catalogue.ts';
import { changeLimits, limitedTenant, ownDatabases, standing } from '../support/limited.ts';
import { ReferenceLedger } from '../support/reference-ledger.ts';

/**
 * Random acts, one after the other, on the real ledger and on one in memory: what is granted, used and held must be the
 * same after every one of them, whatever was rolled back or killed in between.
 */
const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
// What a and b hold is for tokens read and written alike; the others hold one of the two.
const meterFor = (of: string) =>
  'ab'.includes(of)
    ? ('tokens' as const)
    : 'cd'.includes(of)
      ? ('tokens.input' as const)
      : ('tokens.output' as const);
const agent = fc.constantFrom('x', 'y');
const amount = fc.integer({ min: 0, max: 60 });
const reserving = { id, agent, amount, least: fc.option(fc.integer({ min: 0, max: 20 })) };

const act = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('reserve' as const), ...reserving }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reserve in' as const), ...reserving }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('child' as const), ...reserving, parentId: id }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('use' as const), id, agent, amount }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), id }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('keep' as const), id, amount }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('expire' as const), ids: fc.uniqueArray(id) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('roll back' as const), ...reserving }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), ...reserving }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('change' as const), amount: fc.integer({ min: 0, max: 200 }) }),
  },
);
type Act = typeof act extends fc.Arbitrary<infer A> ? A : never;

const holding = (given: { id: string; agent: string; parentId?: string | undefined }) => ({
  ...{ id: given.id, agentId: given.agent, parentId: given.parentId, seconds: 600 },
});
const wanted = (given: { id: string; amount: number; least: number | null }) => [
  {
    meter: meterFor(given.id),
    amount: given.amount,
    ...(given.least === null ? {} : { least: given.least }),
  },
];
const leastOf = (given: { amount: number; least: number | null }) => given.least ?? given.amount;

const modelled = (given: { id: string; agent: string; amount: number; least: number | null }) => ({
  ...{ meter: meterFor(given.id), agent: given.agent, amount: given.amount, least: leastOf(given) },
});

async function grantedBy(reserved: Promise<{ amounts: Map<string, number> }>): Promise<number | undefined> {
  try {
    const [granted] = (await reserved).amounts.values();
    return granted;
  } catch (cause) {
    assert.ok(cause instanceof Refusal && cause.code === 'quota-exceeded', String(cause));
    return undefined;
  }
}

async function perform(place: Place, model: ReferenceLedger, given: Act): Promise<void> {
  const within = <T>(does: (sql: Sql) => Promise<T>) => inTenant(place, ({ sql }) => does(sql));
  switch (given.kind) {
    case 'reserve':
    case 'child': {
      const parentId = given.kind === 'child' && given.parentId !== given.id ? given.parentId : undefined;
      const granted = await grantedBy(reserve(place, holding({ ...given, parentId }), wanted(given)));
      return assert.equal(granted, model.reserve(given.id, { ...modelled(given), parentId }));
    }
    case 'reserve in': {
      const granted = await grantedBy(within((sql) => reserveIn(sql, holding(given), wanted(given))));
      return assert.equal(granted, model.reserve(given.id, modelled(given)));
    }
    case 'use': {
      const of = meterFor(given.id);
      const meter = of === 'tokens' ? 'tokens.input' : of;
      const reading = { id: 'n', source: 'freehold', meter, at: new Date(), value: given.amount };
      await within((sql) => charge(sql, [{ ...reading, agentId: given.agent, reservationId: given.id }]));
      return model.use(given.id, given.agent, given.amount);
    }
    case 'release':
      await release(place, given.id);
      return model.end(given.id);
    case 'keep':
      await within((sql) => keepIn(sql, given.id, new Map([[meterFor(given.id), given.amount]])));
      return model.keep(given.id, given.amount);
    case 'expire': {
      await within((sql) =>
        sql(
          "UPDATE quota_reservations SET expires_at = now() - interval '1 s' WHERE state = 'held' AND id = ANY ($1)",
          [given.ids],
        ),
      );
      await within(expireReservations);
      for (const each of given.ids) model.end(each);
      return;
    }
    case 'roll back':
      await within(async (sql) => {
        await reserveIn(sql, holding(given), wanted(given));
        throw new Error('on purpose');
      }).catch(() => {});
      return;
    case 'crash':
      await within(async (sql) => {
        const [row] = await sql<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await reserveIn(sql, holding(given), wanted(given));
        await asked('SELECT pg_terminate_backend($1)', [row?.pid]);
        await sql('SELECT 1');
      }).catch(() => {});
      return;
    case 'change':
      await changeLimits(place, "UPDATE quotas SET amount = $1 WHERE id = 'all'", [given.amount]);
      model.amounts.set('all', given.amount);
  }
}

async function compare(place: Place, model: ReferenceLedger): Promise<void> {
  const counters = [...(await standing(place, 'all')), ...(await standing(place, 'each'))];
  for (const { scopeId, used, reserved } of counters) {
    const name = scopeId === '' ? 'all' : `each ${scopeId}`;
    assert.deepEqual(
      { name, used, reserved },
      { name, used: model.usedOf(name), reserved: model.reservedOf(name) },
    );
    assert.ok(used >= 0 && reserved >= 0);
  }
  const [held] = await inTenant(place, ({ sql }) =>
    sql<{ ids: string[] }>(
      "SELECT coalesce(array_agg(id ORDER BY id), '{}') AS ids FROM quota_reservations WHERE state = 'held'",
    ),
  );
  // One that holds nothing of anything may be kept or not.
  assert.deepEqual(held?.ids, model.open().sort());
}

const takenOf = async (place: Place) =>
  (await standing(place, 'all')).reduce((sum, { used, reserved }) => sum + used + reserved, 0);

describe('the ledger of limits and one in memory', () => {
  before(ownDatabases);

  const limits: { title: string; each: Record<string, number> }[] = [
    { title: 'one limit', each: {} },
    { title: 'two limits', each: { each: 90 } },
  ];
  for (const { title, each: more } of limits) {
    it(`R5.2 say the same of ${title} after every reserve, use, release, expiry, rollback and crash`, async function () {
      this.timeout(240_000);
      const place = await limitedTenant([
        { id: 'all', amount: 150 },
        ...Object.entries(more).map(([id, of]) => ({ id, amount: of, scope: 'agent' as const })),
      ]);
      const play = fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 30 }), async (acts) => {
        await inTenant(place, async ({ sql }) => {
          await sql('DELETE FROM quota_reservations');
          await sql('DELETE FROM quota_counters');
        });
        await changeLimits(place, "UPDATE quotas SET amount = 150 WHERE id = 'all'");
        const model = new ReferenceLedger({ all: 150, ...more });
        for (const each of acts) await step(place, model, each);
      });
      await fc.assert(play, { numRuns: 25, endOnFailure: true });
    });
  }
});

async function step(place: Place, model: ReferenceLedger, given: Act): Promise<void> {
  const before = await takenOf(place);
  await perform(place, model, given);
  const taken = await takenOf(place);
  if (given.kind.startsWith('reserve') && taken > before)
    assert.ok(taken <= (model.amounts.get('all') ?? 0), 'more was reserved than there is');
  await compare(place, model);
}
