import type { ErrandKind } from '../../policies/operation.ts';
import type { Principal } from '../../policies/principal.ts';
import { readInSystem, type SystemScope } from '../scope.ts';

/** Operations that are errands inside a tenant: beginning them beside its data, and ending them with it. */
export type NewErrand = {
  operationId: string;
  tenantId: string;
  kind: ErrandKind;
  principal: Principal;
  subjectId: string;
  requestId: string;
};

/**
 * Stores errands from within the tenant's own transaction, which is in another database: all of them or none, in one
 * round trip that commits by itself and at once. Call it last. If the tenant's transaction fails all the same, the
 * workflow finds no subject and ends.
 */
export async function openErrands(tenantId: string, errands: NewErrand[]): Promise<void> {
  await readInSystem(
    tenantId,
    errands.map(({ operationId, subjectId, ...asked }) => ({
      text: `INSERT INTO operations (id, tenant_id, kind, state, principal, input, request_id, exclusive)
             VALUES ($1, $2, $3, 'running', $4::jsonb, $5::jsonb, $6, false)`,
      values: [
        operationId,
        asked.tenantId,
        asked.kind,
        JSON.stringify(asked.principal),
        JSON.stringify({ subjectId }),
        asked.requestId,
      ],
    })),
  );
}

/** Of a tenant that is no more: nobody is left for whom they could be done. Their workflows find them ended. */
export async function cancelErrands({ sql }: SystemScope, tenantId: string): Promise<void> {
  await sql(
    `UPDATE operations SET state = 'cancelled', ended_at = now(), updated_at = now(),
       problem = '{"title":"The operation did not succeed.","detail":"The tenant was deleted."}'
     WHERE tenant_id = $1 AND NOT exclusive AND state IN ('running', 'parked')`,
    [tenantId],
  );
}
