import type { Info } from '@temporalio/activity';
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import type { Headers } from '@temporalio/worker';
import { z } from 'zod';
import type { Permit } from '../activities/activity.ts';
import { requestIdPattern } from '../models/ids.ts';
import { isEnded, type OperationKind, type OperationState } from '../policies/operation.ts';
import { type Principal, systemActors } from '../policies/principal.ts';
import {
  principalHeader,
  regionOfQueue,
  registry,
  strayType,
  tenantOfWorkflow,
} from '../workflows/registry.ts';

/**
 * The wall in front of every activity (architecture: wall 7). Whatever a workflow says, an activity runs only for
 * an operation that the API has stored and that is under way, in the name of whoever asked for it, inside that
 * operation's tenant and region, and only if that principal may still do this today. Who can start, copy or reset
 * workflows in Temporal can do nothing with it that was not asked for.
 */
export type Guard = {
  permitOf(activity: string): Permit | undefined;
  authorize(asked: { principal: Principal; permit: Permit; tenantId?: string }): Promise<void>;
  regionOf(tenantId: string): Promise<string | undefined>;
  operationOf(operationId: string): Promise<AskedFor | undefined>;
};

/** What the stored operation says. */
type AskedFor = {
  tenantId: string;
  kind: OperationKind;
  state: OperationState;
  askedBy: string;
  requestId: string | undefined;
};

const principalShape = z.union([
  z.object({ kind: z.enum(['user', 'api-key']), id: z.string().min(1), tenantId: z.string().min(1) }),
  z.object({ kind: z.literal('system'), id: z.enum(systemActors), onBehalfOf: z.string().exactOptional() }),
]);

const stepShape = z.object({
  tenantId: z.string().optional(),
  operationId: z.string().optional(),
  requestId: z.string().regex(requestIdPattern).optional(),
});
export type Step = z.infer<typeof stepShape>;

/** Anything else than a step names no tenant, and is not admitted. */
export const stepOf = (input: unknown): Step => stepShape.safeParse(input).data ?? {};

export type Admitted = { principal: Principal; requestId: string | undefined };

/** Returns in whose name the activity runs and by which request, or refuses. */
export async function admit(guard: Guard, info: Info, headers: Headers, step: Step): Promise<Admitted> {
  const { tenantId, operationId } = step;
  const permit = guard.permitOf(info.activityType);
  if (!permit) throw new Error(`bug: ${info.activityType} declares no permission`);
  const principal = principalOf(headers);
  if (tenantOfWorkflow(info.workflowExecution?.workflowId ?? '') !== tenantId) throw stray('its tenant');
  if ((tenantId === undefined) !== (operationId === undefined)) throw stray('its operation');
  const [operation] = await Promise.all([
    operationId === undefined ? undefined : underWay(guard, operationId, { info, step, principal }),
    guard.authorize({ principal, permit, ...(tenantId && { tenantId }) }),
    tenantId && sameRegion(guard, tenantId, info.taskQueue),
  ]);
  return { principal, requestId: operation?.requestId ?? step.requestId };
}

function principalOf(headers: Headers): Principal {
  const payload = headers[principalHeader];
  const parsed = principalShape.safeParse(payload && defaultPayloadConverter.fromPayload<unknown>(payload));
  if (!parsed.success) throw stray('in whose name it acts');
  return parsed.data;
}

async function sameRegion(guard: Guard, tenantId: string, queue: string): Promise<void> {
  const region = await guard.regionOf(tenantId);
  if (region !== undefined && region !== regionOfQueue(queue)) throw stray('its region');
}

type Claim = { info: Info; step: Step; principal: Principal };

async function underWay(
  guard: Guard,
  operationId: string,
  { info, step, principal }: Claim,
): Promise<AskedFor> {
  const operation = await guard.operationOf(operationId);
  if (!operation || operation.tenantId !== step.tenantId) throw stray('its operation');
  if (registry[operation.kind].workflowType !== info.workflowType) throw stray('its kind');
  const asker = principal.kind === 'system' ? (principal.onBehalfOf ?? principal.id) : principal.id;
  if (asker !== operation.askedBy) throw stray('in whose name it acts');
  // A repeated attempt may find its operation ended: by the attempt before it, whose reply was lost.
  if (info.attempt === 1 && isEnded(operation.state)) throw stray('that it has not ended');
  return operation;
}

function stray(what: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `No operation that is under way agrees with this run on ${what}.`,
    strayType,
  );
}
