import type { Place } from '../models/scope.ts';
import { placeOf } from '../models/system/tenant.ts';
import type { StepRecord } from '../policies/operation.ts';
import type { Action, SubjectType } from '../policies/permission.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';

/**
 * What an activity is: one effect, safe to repeat, behind one permission. It is given ids and nothing else; the
 * worker's interceptor has checked principal, permission, workflow id and queue before `run` is called.
 */
export type Step = { tenantId: string; operationId: string };

/** Input of the step that ends an operation: the ledger goes into the operation's row in the same transaction. */
export type Close = Step & { steps: StepRecord[] };

export type Permit = readonly [Action, SubjectType];

/** `by` is in whose name the workflow acts at this point, `requestId` the request that asked for its operation. */
type Run<Input, Output> = (input: Input, by: Principal, requestId?: string) => Promise<Output>;
export type Declaration<Input, Output> = { permit: Permit; run: Run<Input, Output> };

export function activity<Input, Output>(permit: Permit, run: Run<Input, Output>): Declaration<Input, Output> {
  return { permit, run };
}

export async function placeFor(tenantId: string): Promise<Place & { region: string }> {
  const place = await placeOf(tenantId);
  if (!place) throw new Refusal('not-found', `There is no tenant ${tenantId}.`);
  return place;
}
