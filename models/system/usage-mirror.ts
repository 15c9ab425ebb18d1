import type { MeterName } from '../../policies/meters.ts';
import { inSystem } from '../scope.ts';

/** What of a tenant's meter stands in the shared tables: written with the sight of that tenant and no other. */
export type MirroredDay = { day: string; meter: MeterName; value: number };
export type Mirrored = { days: readonly MirroredDay[]; from: string; takenUntil: Date };

export async function mirroredUntil(tenantId: string): Promise<Date | undefined> {
  return inSystem(tenantId, async ({ sql }) => {
    const [row] = await sql<{ taken_until: Date }>(
      'SELECT taken_until FROM tenant_usage_mirrors WHERE tenant_id = $1',
      [tenantId],
    );
    return row?.taken_until;
  });
}

/**
 * Days from `from` on become what they are in the meter; said again, nothing changes and nothing is written. What two say
 * at once, the later reader's says: an older one does not overwrite what was read after it.
 */
export async function mirrorDays(tenantId: string, { days, from, takenUntil }: Mirrored): Promise<void> {
  await inSystem(tenantId, async ({ sql }) => {
    // Held against its erasure, which would find nothing to forget and leave what is written after it.
    const [mine] = await sql(
      `WITH there AS (SELECT id FROM tenants WHERE id = $1 AND state NOT IN ('deleting', 'deleted') FOR SHARE)
       INSERT INTO tenant_usage_mirrors AS m (tenant_id, taken_until) SELECT id, $2::timestamptz FROM there
       ON CONFLICT (tenant_id) DO UPDATE SET taken_until = EXCLUDED.taken_until, mirrored_at = now()
         WHERE m.taken_until <= EXCLUDED.taken_until RETURNING 1 AS mine`,
      [tenantId, takenUntil],
    );
    if (!mine) return;
    const given = `jsonb_to_recordset($2::jsonb) AS g(day date, meter text, value numeric)`;
    const all = JSON.stringify(days);
    await sql(
      `DELETE FROM tenant_usage_days d WHERE tenant_id = $1 AND day >= $3::date
         AND NOT EXISTS (SELECT FROM ${given} WHERE g.day = d.day AND g.meter = d.meter)`,
      [tenantId, all, from],
    );
    await sql(
      `INSERT INTO tenant_usage_days AS d (tenant_id, day, meter, value) SELECT $1, day, meter, value FROM ${given}
       ON CONFLICT (meter, day, tenant_id) DO UPDATE SET value = EXCLUDED.value WHERE d.value <> EXCLUDED.value`,
      [tenantId, all],
    );
  });
}

/** With the tenant goes what it used and asked for, also from the shared tables. */
export async function forgetMirror(tenantId: string): Promise<void> {
  await inSystem(tenantId, async ({ sql }) => {
    await sql('DELETE FROM tenant_usage_days WHERE tenant_id = $1', [tenantId]);
    await sql('DELETE FROM tenant_usage_mirrors WHERE tenant_id = $1', [tenantId]);
    await sql('DELETE FROM tenant_quota_requests WHERE tenant_id = $1', [tenantId]);
  });
}

export async function mirroredDays(tenantId: string): Promise<number> {
  return inSystem(tenantId, async ({ sql }) => {
    const [row] = await sql<{ days: number }>(
      'SELECT count(*)::int AS days FROM tenant_usage_days WHERE tenant_id = $1',
      [tenantId],
    );
    return row?.days ?? 0;
  });
}

/** What the tenant itself keeps readings of no longer is not kept of it here either. */
export async function purgeMirror(tenantId: string, days: number): Promise<void> {
  await inSystem(tenantId, async ({ sql }) => {
    await sql(
      `DELETE FROM tenant_usage_days WHERE tenant_id = $1 AND day < (now() AT TIME ZONE 'UTC')::date - $2::int`,
      [tenantId, days],
    );
  });
}
