import type { ErrandKind } from '../../policies/operation.ts';
import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import { readInSystem, type SystemScope } from '../scope.ts';

// What plans that say nothing of it allow.
const unlimited = 2 ** 31 - 1;

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
export async function openErrands(tenantId: string, errands: NewErrand[], most = unlimited): Promise<void> {
  if (errands.length === 0) return;
  const rows = errands.map(({ operationId, subjectId, ...asked }) => ({
    ...asked,
    id: operationId,
    input: { subjectId },
  }));
  const [, opened = []] = await readInSystem(tenantId, [
    // In turn, so that the last free places are given once.
    {
      text: "SELECT pg_advisory_xact_lock(hashtext('operations'), hashtext($1))",
      values: [tenantId],
    },
    {
      text: `INSERT INTO operations (id, tenant_id, kind, state, principal, input, request_id, exclusive)
             SELECT id, "tenantId", kind, 'running', principal, input, "requestId", false
             FROM jsonb_to_recordset($1::jsonb)
               AS asked(id text, "tenantId" text, kind text, principal jsonb, input jsonb, "requestId" text)
             WHERE (SELECT count(*) FROM operations WHERE tenant_id = $2 AND state IN ('running', 'parked')) + $3 <= $4
             RETURNING id`,
      values: [JSON.stringify(rows), tenantId, errands.length, most],
    },
  ]);
  if (opened.length === errands.length) return;
  throw new Refusal(
    'rate-limited',
    `${most} operations of your organisation may be under way at once, and these would be more; wait until some of those in GET /v1/operations have ended, or end invitations nobody accepts.`,
    { retryAfterSeconds: 60 },
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
