import type { Context, Info } from '@temporalio/activity';
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import type { ActivityInterceptorsFactory, Headers } from '@temporalio/worker';
import { z } from 'zod';
import type { Permit } from '../activities/activity.ts';
import { type Principal, systemActors } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';
import { activitySeconds } from '../telemetry.ts';
import {
  operationEndedType,
  principalHeader,
  regionOfQueue,
  tenantOfWorkflow,
} from '../workflows/registry.ts';
import { asFailure } from './failure.ts';

/**
 * The wall in front of every activity (architecture: wall 7). Whatever the history of a workflow says, an activity
 * runs only for a principal who may do this today, for the tenant the workflow belongs to, in that tenant's region,
 * and for an operation that has not ended.
 */
export type Guard = {
  permitOf(activity: string): Permit | undefined;
  authorize(asked: { principal: Principal; permit: Permit; tenantId?: string }): Promise<void>;
  regionOf(tenantId: string): Promise<string | undefined>;
  hasEnded(operationId: string): Promise<boolean>;
};

const principalShape = z.union([
  z.object({ kind: z.enum(['user', 'api-key']), id: z.string().min(1), tenantId: z.string().min(1) }),
  z.object({ kind: z.literal('system'), id: z.enum(systemActors), onBehalfOf: z.string().exactOptional() }),
]);
const stepShape = z.object({ tenantId: z.string().optional(), operationId: z.string().optional() });
type Step = z.infer<typeof stepShape>;

/** How soon a lost worker is noticed depends on this and on `heartbeatTimeout` in workflows/effects.ts. */
const beatMs = 1_000;

export function guarded(guard: Guard): ActivityInterceptorsFactory {
  return (context) => ({
    inbound: {
      async execute(input, next) {
        const { info } = context;
        const [given] = input.args;
        const step = stepShape.parse(given ?? {});
        return observed(context, step, async () => {
          const principal = principalOf(input.headers);
          await admit(guard, info, principal, step);
          // The attempt goes back with the result, for the ledger (see workflows/interceptors.ts).
          return { attempt: info.attempt, result: await next({ ...input, args: [given, principal] }) };
        });
      },
    },
  });
}

async function admit(guard: Guard, info: Info, principal: Principal, step: Step): Promise<void> {
  const { tenantId, operationId } = step;
  const permit = guard.permitOf(info.activityType);
  if (!permit) throw new Error(`bug: ${info.activityType} declares no permission`);
  if (tenantOfWorkflow(info.workflowExecution?.workflowId ?? '') !== tenantId) throw mismatch();
  await Promise.all([
    guard.authorize({ principal, permit, ...(tenantId && { tenantId }) }),
    tenantId && sameRegion(guard, tenantId, info.taskQueue),
    // A repeated attempt may find its operation ended: by the attempt before it, whose reply was lost.
    operationId && info.attempt === 1 && stillRunning(guard, operationId),
  ]);
}

async function sameRegion(guard: Guard, tenantId: string, queue: string): Promise<void> {
  const region = await guard.regionOf(tenantId);
  if (region !== undefined && region !== regionOfQueue(queue)) throw mismatch();
}

const mismatch = () =>
  new Refusal('tenant-mismatch', 'Workflow, queue and input of this step do not belong to one tenant.');

/** A second run of an operation must not touch, let alone undo, what the first has finished. */
async function stillRunning(guard: Guard, operationId: string): Promise<void> {
  if (await guard.hasEnded(operationId))
    throw ApplicationFailure.nonRetryable('This operation has already ended.', operationEndedType);
}

function principalOf(headers: Headers): Principal {
  const payload = headers[principalHeader];
  const parsed = principalShape.safeParse(payload && defaultPayloadConverter.fromPayload<unknown>(payload));
  if (!parsed.success)
    throw new Refusal('unauthenticated', 'This workflow does not say in whose name it acts.');
  return parsed.data;
}

async function observed<T>(context: Context, step: Step, act: () => Promise<T>): Promise<T> {
  const { info } = context;
  const beat = setInterval(() => context.heartbeat(), beatMs);
  const took = activitySeconds.startTimer({ activity: info.activityType });
  try {
    const answer = await act();
    took({ outcome: 'done' });
    return answer;
  } catch (error) {
    const failure = asFailure(error, info, step);
    took({ outcome: failure instanceof ApplicationFailure && failure.nonRetryable ? 'refused' : 'failed' });
    throw failure;
  } finally {
    clearInterval(beat);
  }
}
