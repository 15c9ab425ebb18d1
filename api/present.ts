import type { Row } from '../models/batch.ts';
import { tenantHost } from '../models/tenant-address.ts';

/** Rows as the API shows them. */
export const iso = (value: unknown): string | null => {
  if (value === null || value === undefined) return null;
  return value instanceof Date ? value.toISOString() : new Date(String(value)).toISOString();
};

export function presentTenant(row: Row) {
  return {
    id: row.id,
    slug: row.slug,
    name: row.name,
    host: tenantHost(String(row.slug)),
    region: row.region,
    plan: { name: row.plan, version: row.plan_version },
    state: row.state,
    stateReason: row.state_reason ?? null,
    deletionDue: iso(row.deletion_due),
    tombstone: row.tombstone ?? null,
    version: row.version,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
  };
}

export function presentOperation(row: Row) {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    tenantId: row.tenant_id,
    percent: row.percent,
    steps: row.steps,
    result: row.result ?? null,
    problem: row.problem ?? null,
    requestedBy: row.principal,
    requestId: row.request_id ?? null,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
    endedAt: iso(row.ended_at),
  };
}

/** One page of rows read with `limit + 1`: the row too many only tells that there is a next page. */
export function presentPage<T extends { id: unknown }>(rows: Row[], limit: number, present: (row: Row) => T) {
  const items = rows.slice(0, limit).map(present);
  return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.id) : null };
}

export const etag = (version: unknown): Record<string, string> => ({ ETag: `"${version}"` });
