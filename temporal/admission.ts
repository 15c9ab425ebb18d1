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
import {
  firingWorkflowType,
  isRunQueue,
  runScheduleId,
  runWorkflowId,
  runWorkflowType,
} from '../workflows/run-registry.ts';

/**
 * The wall in front of every activity (architecture: wall 7). Whatever a workflow says, an activity runs only for
 * an operation that the API has stored and that is under way, in the name of whoever asked for it, inside that
 * operation's tenant and region, and only if that principal may still do this today. Who can start, copy or reset
 * workflows in Temporal can do nothing with it that was not asked for.
 */
export type Guard = {
  /** The run of this id in this tenant, in this round if one is named; waits for one that is about to be committed. */
  runOf(tenantId: string, runId: string, round?: number): Promise<AskedRun | undefined>;
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
  runId: z.string().optional(),
  round: z.int().optional(),
  scheduleId: z.string().optional(),
  requestId: z.string().regex(requestIdPattern).optional(),
});
export type Step = z.infer<typeof stepShape>;

/** Anything else than a step names no tenant, and is not admitted. */
export const stepOf = (input: unknown): Step => stepShape.safeParse(input).data ?? {};

/** What a run's row says. */
export type AskedRun = {
  principal: { kind: string; id: string };
  ended: boolean;
  requestId: string | undefined;
};

export type Admitted = { principal: Principal; requestId: string | undefined };

/** Returns in whose name the activity runs and by which request, or refuses. */
export async function admit(guard: Guard, info: Info, headers: Headers, step: Step): Promise<Admitted> {
  const { tenantId, operationId, runId } = step;
  const permit = guard.permitOf(info.activityType);
  if (!permit) throw new Error(`bug: ${info.activityType} declares no permission`);
  const principal = principalOf(headers);
  if (step.scheduleId !== undefined) return admitFiring(guard, info, { step, principal, permit });
  // Discovery, which is no tenant's, tells of a run as well: that of its own workflow.
  if ((tenantId !== undefined && runId !== undefined) || isRunQueue(info.taskQueue))
    return admitRun(guard, info, { step, principal, permit });
  if (tenantOfWorkflow(info.workflowExecution?.workflowId ?? '') !== tenantId) throw stray('its tenant');
  if ((tenantId === undefined) !== (operationId === undefined)) throw stray('its operation');
  const [operation] = await Promise.all([
    operationId === undefined ? undefined : underWay(guard, operationId, { info, step, principal }),
    guard.authorize({ principal, permit, ...(tenantId && { tenantId }) }),
    tenantId && sameRegion(guard, tenantId, info.taskQueue),
  ]);
  return { principal, requestId: operation?.requestId ?? step.requestId };
}

type Asking = { step: Step; principal: Principal; permit: Permit };

/** The same wall for runs: the row in the tenant's own schema is what was asked for, and by whom. */
async function admitRun(guard: Guard, info: Info, { step, principal, permit }: Asking): Promise<Admitted> {
  const { tenantId, runId, round } = step;
  if (tenantId === undefined || runId === undefined) throw stray('its run');
  if (info.workflowExecution?.workflowId !== runWorkflowId(tenantId, runId)) throw stray('its tenant');
  if (info.workflowType !== runWorkflowType) throw stray('its kind');
  if (!isRunQueue(info.taskQueue)) throw stray('its queue');
  const [run] = await Promise.all([
    guard.runOf(tenantId, runId, round),
    guard.authorize({ principal, permit, tenantId }),
    sameRegion(guard, tenantId, info.taskQueue),
  ]);
  if (!run) throw stray('its run');
  const asker = principal.kind === 'system' ? (principal.onBehalfOf ?? principal.id) : principal.id;
  if (asker !== run.principal.id) throw stray('in whose name it acts');
  if (principal.kind !== 'system' && principal.tenantId !== tenantId) throw stray('in whose name it acts');
  if (info.attempt === 1 && run.ended) throw stray('that it has not ended');
  return { principal, requestId: run.requestId ?? step.requestId };
}

/**
 * What a calendar starts names its schedule in its id; the row of that schedule, which the activity reads, says what
 * is to be done and in whose name. Whoever starts such a workflow past the calendar has it start what is due anyhow.
 */
async function admitFiring(guard: Guard, info: Info, { step, principal, permit }: Asking): Promise<Admitted> {
  const { tenantId, scheduleId } = step;
  if (tenantId === undefined || scheduleId === undefined || step.runId !== undefined)
    throw stray('its schedule');
  const beginning = `${runScheduleId(tenantId, scheduleId)}-`;
  if (!info.workflowExecution?.workflowId.startsWith(beginning)) throw stray('its tenant');
  if (info.workflowType !== firingWorkflowType) throw stray('its kind');
  if (!isRunQueue(info.taskQueue)) throw stray('its queue');
  if (principal.kind !== 'system' || principal.id !== 'system:run-schedule')
    throw stray('in whose name it acts');
  await Promise.all([
    guard.authorize({ principal, permit, tenantId }),
    sameRegion(guard, tenantId, info.taskQueue),
  ]);
  return { principal, requestId: step.requestId };
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
