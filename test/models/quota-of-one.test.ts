import assert from 'node:assert/strict';
import { decideInTenant, inTenant, type Place } from '../../models/scope.ts';
import { reserve } from '../../models/tenant/quota-ledger.ts';
import { type Known, remembered } from '../../models/tenant/quota-memory.ts';
import { reserveOfOne } from '../../models/tenant/quota-of-one.ts';
import type { QuotaRule } from '../../policies/quotas.ts';
import { changeLimits, limitedTenant, ownDatabases, refused, standing } from '../support/limited.ts';

const meter = 'tokens.output';
const wanted = [{ meter, amount: 10 }] as const;

let count = 0;
const holding = () => ({ id: `r${count++}`, seconds: 60 });

/** A tenant whose limit this process has looked at, and its counter with it. */
async function looked(...limits: Partial<QuotaRule>[]): Promise<{ place: Place; known: Known }> {
  const place = await limitedTenant(limits);
  await reserve(place, holding(), wanted);
  return { place, known: remembered(place) ?? assert.fail('nothing is remembered') };
}

/** By what is remembered alone: whether it was held. */
async function held(place: Place, known: Known, asked = [{ holding: holding(), wanted }]): Promise<boolean> {
  const statement = reserveOfOne(place.tenantId, asked, known) ?? assert.fail('it takes a closer look');
  const [rows = []] = await decideInTenant(place, [statement]);
  assert.ok(rows.length === 0 || rows.length === asked.length);
  return rows.length > 0;
}

describe('a counter that is raised by what a process remembers', () => {
  before(ownDatabases);

  it('R5.2 holds exactly what the limit has, alone and several at once', async () => {
    const { place, known } = await looked({ id: 'q', amount: 50 });
    assert.equal(await held(place, known), true);
    const two = () => [
      { holding: holding(), wanted },
      { holding: holding(), wanted },
    ];
    assert.equal(await held(place, known, [...two(), ...two()]), false);
    assert.equal(await held(place, known, two()), true);
    assert.equal(await held(place, known), true);
    assert.equal(await held(place, known), false);
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 0, reserved: 50 }]);
    const kept = await inTenant(place, ({ sql }) =>
      sql("SELECT DISTINCT holds, budget FROM quota_reservations WHERE state = 'held'"),
    );
    assert.equal(kept.length, 1, 'all of them are written as the closer look writes them');
  });

  for (const [how, text] of [
    ['lowered', "UPDATE quotas SET amount = 15 WHERE id = 'q'"],
    ['joined by another', "INSERT INTO quotas (id, meter, amount, origin) VALUES ('p', 'tokens', 5, 'plan')"],
    ['deleted', "DELETE FROM quotas WHERE id = 'q'"],
  ] as const)
    it(`R5.2 is not raised any more once its limit was ${how}, whoever did it`, async () => {
      const { place, known } = await looked({ id: 'q', amount: 100 });
      await changeLimits(place, text);
      assert.equal(await held(place, known), false);
      if (how !== 'deleted') await refused(reserve(place, holding(), wanted));
      else await reserve(place, holding(), [{ meter, amount: 1_000 }]);
    });

  it('R5.2 is raised again once it was looked at, and not by what was remembered before', async () => {
    const { place, known } = await looked({ id: 'q', amount: 100 });
    await changeLimits(place, "UPDATE quotas SET amount = 1000 WHERE id = 'q'");
    for (let at = 0; at < 2; at++) await reserve(place, holding(), wanted);
    assert.equal(await held(place, known), false);
    assert.equal(await held(place, remembered(place) ?? assert.fail()), true);
  });

  it('R5.2 is not raised by what was so until a raise was over, or its window', async () => {
    const { place, known } = await looked({ id: 'q', amount: 1_000 });
    const now = known.now.get('q') ?? assert.fail();
    assert.ok(now.until && now.until.getTime() > Date.now());
    await changeLimits(place, "UPDATE quotas SET raised_to = 2000, raised_until = now() + '1 hour'");
    for (let at = 0; at < 2; at++) await reserve(place, holding(), wanted);
    const raised = remembered(place)?.now.get('q') ?? assert.fail();
    assert.equal(raised.most, 2_000);
    assert.ok((raised.until ?? assert.fail()).getTime() <= now.until.getTime());
    // By the database's clock, also where that of the process is behind it.
    const behind = { ...known, now: new Map([['q', { ...now, until: new Date(Date.now() + 5) }]]) };
    const asked = [{ holding: holding(), wanted }];
    const late = reserveOfOne(place.tenantId, asked, behind) ?? assert.fail();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual((await decideInTenant(place, [late]))[0], []);
    const over = { ...known, now: new Map([['q', { ...now, until: new Date(Date.now() - 1) }]]) };
    assert.equal(reserveOfOne(place.tenantId, asked, over), undefined);
  });

  it('R5.2 is raised beyond a soft limit, and looked at closely where it rolls', async () => {
    const { place, known } = await looked({ id: 'q', amount: 20, hard: false });
    assert.equal(await held(place, known), true);
    const rolling = await looked({ id: 'q', window: 'rolling', windowMinutes: 60, amount: 100 });
    const asked = [{ holding: holding(), wanted }];
    assert.equal(reserveOfOne(rolling.place.tenantId, asked, rolling.known), undefined);
  });
});
