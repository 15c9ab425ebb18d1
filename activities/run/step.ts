import { changeRun } from '../../models/tenant/held-run.ts';
import type { RunEvent } from '../../models/tenant/run-event.ts';
import { type Beginning, beginStep, endStep } from '../../models/tenant/run-step.ts';
import type { Principal } from '../../policies/principal.ts';
import type { Outcome } from '../../policies/run-plan.ts';
import type { WorkflowStep } from '../../policies/workflow-definition.ts';
import { activity, placeFor } from '../activity.ts';
import { callIntegration, type IntegrationCall } from '../integration-call.ts';
import {
  enter,
  failStep,
  faultOf,
  finish,
  type Held,
  inRun,
  insistSmall,
  patience,
  type RunStep,
  refuseToBegin,
  StepFault,
  standsStill,
} from './frame.ts';
import { meterTool } from './metering.ts';
import { insistOnTurn, settledAs, statesAround } from './order.ts';
import { evaluated, filled, filledJson, isTrue, locate, type Scope, scopeOf } from './scope.ts';
import { skipStep } from './skip.ts';
import { insistWithin } from './within.ts';

/** A tool step or a condition of a workflow: begun in one transaction, had, and recorded in another. */
export type StepInput = RunStep & { path: string; number: number; attempt: number; attempts: number };
type Ready = { call: IntegrationCall; seconds: number };

export const takeStep = activity(['start', 'Run'], async (input: StepInput, by): Promise<Outcome> => {
  const ready = await inRun(input, (held) => prepared(held, input, by));
  if ('state' in ready) return ready;
  const { signal, late } = patience(ready.seconds);
  try {
    const { status, body } = await callIntegration(await placeFor(input.tenantId), ready.call, { signal });
    insistSmall(body);
    const again = status >= 500 || status === 429;
    if (status >= 400) throw new StepFault('failed', `The tool answered with status ${status}.`, again);
    return await inRun(input, (held) => finish(held, input.path, { status, body }));
  } catch (error) {
    return failStep(input, faultOf(error, late));
  }
});

async function prepared(held: Held, input: StepInput, by: Principal): Promise<Ready | Outcome> {
  const { path, number } = input;
  const located = locate(held.carried.plan, path);
  const states = await statesAround(held, located, path);
  const settled = settledAs(states, path);
  if (settled) return settled;
  if (standsStill(held.run)) return { state: 'held' };
  const { step } = located;
  const row = { path, number, kind: step.kind };
  try {
    insistOnTurn(located, states);
    const scope = await scopeOf(held, located, step);
    if (!isTrue(step.when, scope)) return await skipStep(held, row);
    if (step.kind === 'condition') return await enterDone(held, row, evaluated(step.if, scope));
    return await readyTool(held, step, { ...input, scope, by });
  } catch (error) {
    return refuseToBegin(held, row, error);
  }
}

/** What needs nothing from outside is begun and done in one, and told so: each statement costs as much as the rest. */
async function enterDone({ sql, keyring, run }: Held, step: Beginning, output: unknown): Promise<Outcome> {
  const { path, kind } = step;
  const { attempts, fresh } = await beginStep(sql, keyring, run.id, step);
  await endStep(sql, keyring, run.id, { path, state: 'done', output });
  const started: RunEvent = { kind: 'step.started', path, data: { kind, attempt: attempts } };
  await changeRun(sql, keyring, run, {
    state: 'running',
    events: [...(fresh ? [started] : []), { kind: 'step.done', path, data: { output } }],
  });
  return { state: 'done' };
}

type About = StepInput & { scope: Scope; by: Principal };

async function readyTool(held: Held, step: WorkflowStep, about: About): Promise<Ready> {
  if (step.kind !== 'tool') throw new Error(`bug: a step of kind ${step.kind} is taken as a tool`);
  const { path, number, scope, by, runId } = about;
  const { integrationId, method, timeoutSeconds } = step;
  await insistWithin(held, path);
  const body = step.body === undefined ? {} : { body: filledJson(step.body, scope) };
  const call = { integrationId, method, path: filled(step.path, scope), ...body };
  const begun = await enter(held, { path, number, kind: 'tool', input: call }, true);
  await meterTool(held, { path }, begun, 'integration');
  const { effect } = begun;
  const idempotencyKey = effectKey(runId, path, effect);
  return { call: { ...call, idempotencyKey, usedBy: { principal: by, runId } }, seconds: timeoutSeconds };
}

/** The same for every attempt, so that a tool can tell a repeated call; another once people ask for the effect anew. */
export const effectKey = (runId: string, path: string, effect: number): string =>
  effect === 1 ? `${runId}/${path}` : `${runId}/${path}/${effect}`;
