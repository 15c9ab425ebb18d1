import type { Statement } from '../batch.ts';

export type AuditFilter = {
  tenantId?: string | undefined;
  operationId?: string | undefined;
  action?: string | undefined;
};

/** The platform's trail, newest first. Written only by models/audit.ts. */
export function auditList(filter: AuditFilter, after: string | undefined, limit: number): Statement {
  return {
    text: `SELECT * FROM audit_events
           WHERE ($1::text IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR operation_id = $2)
             AND ($3::text IS NULL OR action = $3) AND ($4::bigint IS NULL OR seq < $4)
           ORDER BY seq DESC LIMIT $5`,
    values: [
      filter.tenantId ?? null,
      filter.operationId ?? null,
      filter.action ?? null,
      after ?? null,
      limit,
    ],
  };
}
