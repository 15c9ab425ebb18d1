import { cellPlatform, config } from './databases.ts';
import { isDuplicate } from './scope.ts';

/**
 * Permits for heavy work: a few in each region, one for each tenant. Who holds one renews it; one that is not renewed is
 * free again after `leaseSeconds`. Each time one is taken it gets a higher fence, and only the row's own fence can be
 * renewed: who was thought dead and is not finds out before the next stretch of its work.
 */
export const permitsInRegion = 4;
export const leaseSeconds = 30;

export type HeavyWork = {
  region: string;
  /** Undefined: for all of the region's tenants together. */
  tenantId?: string;
  work: string;
  holder: string;
};
export type Permit = { region: string; fence: string };

function cellFor(region: string): string {
  const cell = config().regions.find(({ name }) => name === region)?.cells[0];
  if (!cell) throw new Error(`region ${region} is not in FREEHOLD_REGIONS of this process`);
  return cell.name;
}

/** Undefined when all are taken, or the tenant has one for something else. */
export async function takePermit({ region, tenantId, work, holder }: HeavyWork): Promise<Permit | undefined> {
  const pool = cellPlatform(cellFor(region));
  await pool.query('DELETE FROM platform.heavy_permits WHERE region = $1 AND expires_at <= now()', [region]);
  try {
    const { rows } = await pool.query<{ fence: string }>(
      `INSERT INTO platform.heavy_permits AS held (region, place, tenant_id, work, holder, fence, expires_at)
       SELECT $1, place, $2, $3, $4, nextval('platform.heavy_fences'), now() + make_interval(secs => ${leaseSeconds})
       FROM (SELECT coalesce(
         (SELECT place FROM platform.heavy_permits WHERE region = $1 AND tenant_id = $2),
         (SELECT min(free) FROM generate_series(1, ${permitsInRegion}) free
          WHERE free NOT IN (SELECT place FROM platform.heavy_permits WHERE region = $1))) AS place) chosen
       WHERE place IS NOT NULL
       ON CONFLICT (region, tenant_id) DO UPDATE
         SET work = excluded.work, fence = excluded.fence, taken_at = now(), renewed_at = now(), expires_at = excluded.expires_at
         WHERE held.holder = excluded.holder
       RETURNING fence`,
      [region, tenantId ?? '', work, holder],
    );
    return rows[0] && { region, fence: rows[0].fence };
  } catch (cause) {
    // Somebody took that very place in the same moment.
    if (isDuplicate(cause)) return undefined;
    throw cause;
  }
}

/** Whether it is still this one's. */
export async function renewPermit({ region, fence }: Permit): Promise<boolean> {
  const { rowCount } = await cellPlatform(cellFor(region)).query(
    `UPDATE platform.heavy_permits SET renewed_at = now(), expires_at = now() + make_interval(secs => ${leaseSeconds})
     WHERE region = $1 AND fence = $2`,
    [region, fence],
  );
  return rowCount === 1;
}

export async function releasePermit({ region, fence }: Permit): Promise<void> {
  await cellPlatform(cellFor(region)).query(
    'DELETE FROM platform.heavy_permits WHERE region = $1 AND fence = $2',
    [region, fence],
  );
}

export type HeldPermit = {
  region: string;
  place: number;
  tenantId: string | null;
  work: string;
  holder: string;
  takenAt: Date;
  renewedAt: Date;
  expiresAt: Date;
};

export async function permitsHeld(region: string): Promise<HeldPermit[]> {
  const { rows } = await cellPlatform(cellFor(region)).query<HeldPermit>(
    `SELECT region, place, nullif(tenant_id, '') AS "tenantId", work, holder, taken_at AS "takenAt",
       renewed_at AS "renewedAt", expires_at AS "expiresAt"
     FROM platform.heavy_permits WHERE region = $1 AND expires_at > now() ORDER BY place`,
    [region],
  );
  return rows;
}
