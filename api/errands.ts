import type { Row } from '../models/batch.ts';
import type { TenantScope } from '../models/scope.ts';
import { type NewErrand, openErrands } from '../models/system/errand.ts';
import type { Startable } from '../models/system/operation.ts';
import { placeOf } from '../models/system/tenant.ts';
import type { ErrandKind } from '../policies/operation.ts';
import { planAt } from '../policies/plans.ts';
import type { Principal } from '../policies/principal.ts';
import { log } from '../telemetry.ts';
import { endErrand } from '../temporal/start.ts';
import { startNow } from './operations.ts';

/**
 * Beginning errands from within a tenant's transaction. Their rows are in another database, so this comes last in a
 * handler; what is returned starts the workflows, once the tenant's transaction is committed.
 */
export type Errand = { operationId: string; subjectId: string };
type Asked = { tenantId: string; kind: ErrandKind; principal: Principal; requestId: string };

// A tenant that invites hundreds at once must not take all of Temporal's attention.
const startedAtOnceMax = 8;

export async function beginErrands(
  { sql }: TenantScope,
  asked: Asked,
  errands: Errand[],
): Promise<() => Promise<void>> {
  const { tenantId, requestId } = asked;
  const [terms] = await sql<Row>('SELECT plan, plan_version FROM tenant');
  const place = await placeOf(tenantId);
  if (!terms || !place) throw new Error(`bug: ${tenantId} asks from nowhere`);
  const { weight, operationsAtOnce } = planAt(String(terms.plan), Number(terms.plan_version));
  const opened = errands.map((errand): NewErrand => ({ ...asked, ...errand }));
  await openErrands(tenantId, opened, operationsAtOnce);
  const lines = log.child({ requestId, tenantId });
  const waiting = opened.map(({ operationId, kind, principal, subjectId }): Startable => {
    const input = { subjectId };
    return { operationId, tenantId, region: place.region, kind, principal, input, weight, requestId };
  });
  const startInTurn = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await startNow(next, lines);
  };
  return async () => {
    await Promise.all(Array.from({ length: startedAtOnceMax }, startInTurn));
  };
}

type Ended = { tenantId: string; kind: ErrandKind; operationIds: (string | null)[] };

/** Tells the workflows that there is nothing left to wait for. One that cannot be told finds out at its next step. */
export async function endErrands({ tenantId, kind, operationIds }: Ended): Promise<void> {
  for (const operationId of operationIds) {
    if (operationId === null) continue;
    await endErrand({ tenantId, operationId, kind }).catch((error: unknown) => {
      log.warn({ operationId, tenantId, error: String(error) }, 'an errand was not told that it is over');
    });
  }
}
