import assert from 'node:assert/strict';
import { useConfig } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { lockRules } from '../../models/tenant/quota.ts';
import { reserve } from '../../models/tenant/quota-ledger.ts';
import { ensureTenantSchema } from '../../models/tenant-schema.ts';
import type { QuotaRule } from '../../policies/quotas.ts';
import { Refusal } from '../../policies/refusal.ts';
import { cell } from './catalogue.ts';
import { ownConfig } from './environment.ts';
import { allCounted } from './metered.ts';

/** A tenant with nothing but limits, and what its ledger says. */
export async function limitedTenant(limits: Partial<QuotaRule>[], login = 0): Promise<Place> {
  const place = { tenantId: newId('ten'), cell, login };
  await ensureTenantSchema(place, `test-${place.tenantId}`);
  for (const limit of limits) await limitedBy(place, limit);
  return place;
}

export async function ownDatabases(): Promise<void> {
  useConfig(await ownConfig());
}

export async function limitedBy(place: Place, limit: Partial<QuotaRule>): Promise<void> {
  const { id = newId('qta'), meter = 'tokens', window = 'month', windowMinutes = null } = limit;
  const {
    zone = 'UTC',
    scope = 'tenant',
    scopeId = '',
    amount = 0,
    hard = true,
    unreachable = 'refuse',
  } = limit;
  await changeLimits(
    place,
    `INSERT INTO quotas (id, meter, time_window, window_minutes, zone, scope, scope_id, amount, hard, unreachable, origin)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'operator')`,
    [id, meter, window, windowMinutes, zone, scope, scopeId, amount, hard, unreachable],
  );
}

/** As the product changes them: under the lock that makes every process look at them again. */
export async function changeLimits(place: Place, text: string, values: unknown[] = []): Promise<void> {
  await inTenant(place, async ({ sql }) => {
    await lockRules(sql, 'to change');
    await sql(text, values);
  });
}

export type Standing = { scopeId: string; used: number; reserved: number };

export async function standing(place: Place, quotaId: string): Promise<Standing[]> {
  const rows = await inTenant(place, ({ sql }) =>
    sql<{ scope_id: string; used: string; reserved: string }>(
      'SELECT scope_id, used, reserved FROM quota_counters WHERE quota_id = $1 ORDER BY scope_id, window_start',
      [quotaId],
    ),
  );
  return rows.map((row) => ({
    scopeId: row.scope_id,
    used: Number(row.used),
    reserved: Number(row.reserved),
  }));
}

/** One unit under each id, all at once; whoever gets no answer asks again under the same id. Those that were granted. */
export async function holdMany(place: Place, ids: string[], told: () => void): Promise<string[]> {
  const held = await Promise.all(
    ids.map(async (id) => {
      for (;;) {
        try {
          await reserve(place, { id, seconds: 600 }, [{ meter: 'runs', amount: 1 }]);
          told();
          return id;
        } catch (cause) {
          if (!(cause instanceof Refusal)) throw cause;
          if (cause.code === 'quota-exceeded') return undefined;
        }
      }
    }),
  );
  return held.filter((id) => id !== undefined);
}

/** What was thrown, when it is a refusal. */
export const refused = async (act: Promise<unknown>): Promise<Refusal> => {
  const thrown = await act.then(
    () => assert.fail('it was not refused'),
    (cause: unknown) => cause,
  );
  assert.ok(thrown instanceof Refusal, String(thrown));
  return thrown;
};

/** Everything is counted, exactly so much of this limit, and nothing is held any more. */
export async function assertSettled(place: Place, quotaId: string, used: number): Promise<void> {
  await allCounted(place);
  assert.deepEqual(await standing(place, quotaId), [{ scopeId: '', used, reserved: 0 }]);
  const held = await inTenant(place, ({ sql }) =>
    sql("SELECT id FROM quota_reservations WHERE state = 'held'"),
  );
  assert.deepEqual(held, []);
}
