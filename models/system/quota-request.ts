import type { RequestState } from '../../policies/quota-request.ts';
import type { Row, Statement } from '../batch.ts';
import { inSystem, type Place, readInTenant, type Sql } from '../scope.ts';
import { requestById } from '../tenant/quota-request.ts';

/** Requests for more of a limit in the shared tables, so that operators find those of all tenants in one place. */
export async function mirrorRequest({ tenantId, ...place }: Place, id: string): Promise<void> {
  const [[row] = []] = await readInTenant({ tenantId, ...place }, [requestById(tenantId, id)]);
  await inSystem(tenantId, async ({ sql }) => {
    // With its limit a request goes as well.
    if (row) await mirrorRow(sql, tenantId, row);
    else await sql('DELETE FROM tenant_quota_requests WHERE id = $1', [id]);
  });
}

const told = [
  ...['operation_id', 'quota_id', 'amount', 'until', 'state', 'granted', 'granted_until'],
  ...['created_at', 'decided_at', 'ended_at'],
];

/** What was read before a decision does not overwrite it; of a tenant that is being deleted nothing is written. */
export async function mirrorRow(sql: Sql, tenantId: string, row: Row): Promise<void> {
  await sql(
    `WITH there AS (SELECT id FROM tenants WHERE id = $2 AND state NOT IN ('deleting', 'deleted') FOR SHARE)
     INSERT INTO tenant_quota_requests AS r
       (id, tenant_id, operation_id, quota_id, amount, until, state, granted, granted_until, created_at, decided_at, ended_at)
     SELECT $1, id, $3, $4, $5, $6::timestamptz, $7, $8::bigint, $9::timestamptz, $10::timestamptz, $11::timestamptz,
       $12::timestamptz FROM there
     ON CONFLICT (id) DO UPDATE SET state = EXCLUDED.state, granted = EXCLUDED.granted,
       granted_until = EXCLUDED.granted_until, decided_at = EXCLUDED.decided_at, ended_at = EXCLUDED.ended_at
     WHERE r.ended_at IS NULL AND (r.state = 'waiting' OR EXCLUDED.state <> 'waiting')`,
    [row.id, tenantId, ...told.map((name) => row[name] ?? null)],
  );
}

/** When the tenant itself keeps them no longer (models/usage-retained.ts), nor does the platform. */
export async function purgeRequests(tenantId: string, days: number): Promise<void> {
  await inSystem(tenantId, async ({ sql }) => {
    await sql(
      `DELETE FROM tenant_quota_requests WHERE tenant_id = $1 AND ended_at < now() - make_interval(days => $2::int)`,
      [tenantId, days],
    );
  });
}

export async function mirroredRequests(tenantId: string): Promise<number> {
  return inSystem(tenantId, async ({ sql }) => {
    const [row] = await sql<{ requests: number }>(
      'SELECT count(*)::int AS requests FROM tenant_quota_requests WHERE tenant_id = $1',
      [tenantId],
    );
    return row?.requests ?? 0;
  });
}

export type RequestsFilter = {
  state?: RequestState | undefined;
  tenantId?: string | undefined;
  cursor?: string | undefined;
};

export function requestsOfAll({ state, tenantId, cursor }: RequestsFilter, limit: number): Statement {
  return {
    text: `SELECT r.*, t.name, t.region, t.plan FROM tenant_quota_requests r JOIN tenants t ON t.id = r.tenant_id
           WHERE t.state IN ('active', 'suspended') AND ($1::text IS NULL OR r.state = $1)
             AND ($2::text IS NULL OR r.tenant_id = $2) AND ($3::text IS NULL OR r.id < $3)
           ORDER BY r.id DESC LIMIT $4`,
    values: [state ?? null, tenantId ?? null, cursor ?? null, limit],
  };
}
