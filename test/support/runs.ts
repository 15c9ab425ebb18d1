import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { Startable } from '../../models/system/operation.ts';
import { startOperation, watchOperation } from '../../temporal/start.ts';
import { type Around, combined, type Recorded, recording } from './faults.ts';
import { placesThatDrifted, type StoredOperation, storedOperation } from './lifecycle.ts';
import { closed, type Stage } from './stage.ts';

/** An operation that was started, and the activities that have begun since. */
export type Begun = Recorded & { operation: Startable };
/** How the operation ended: in its row, and as Temporal shows it. */
export type Ended = Begun & { stored: StoredOperation; shown: string };

export async function begin(stage: Stage, operation: Startable, fault?: Around): Promise<Begun> {
  const recorded: Recorded = { names: [], overlapping: [] };
  stage.faults.set(operation.tenantId, combined(recording(recorded), ...(fault ? [fault] : [])));
  await stage.work();
  await startOperation(operation);
  return { operation, ...recorded };
}

export async function end(begun: Begun): Promise<Ended> {
  const shown = await closed(begun.operation);
  return { ...begun, shown, stored: await storedOperation(begun.operation) };
}

/** Polls; a test that waits in vain ends by its own timeout. */
export async function until(settled: () => Promise<boolean>): Promise<void> {
  while (!(await settled())) await pause(20);
}

/** Waits until the operation is parked: in its row and, at the same time, in Temporal. */
export async function parked({ operation }: Begun): Promise<StoredOperation> {
  await until(async () => {
    const { state } = await storedOperation(operation);
    assert.ok(state === 'running' || state === 'parked', `it is ${state}, not parked`);
    return state === 'parked';
  });
  const live = await watchOperation(operation);
  assert.equal(live === 'not-running' ? live : live.state, 'parked');
  return storedOperation(operation);
}

/** Waits until the workflow itself says that it is at this step. */
export async function untilStepRuns(operation: Startable, step: string): Promise<void> {
  await until(async () => {
    const live = await watchOperation(operation);
    assert.ok(live !== 'not-running');
    return live.steps.some((record) => record.name === step && record.state === 'running');
  });
}

/** The failure landed where it was meant to, and the ledger says so. */
export function assertFailedAt(step: string, ended: Ended): void {
  assertEnded(ended, 'failed');
  const failed = ended.stored.steps
    .filter((record) => record.state === 'failed')
    .map((record) => record.name);
  assert.deepEqual(failed, [step]);
}

const shownAs = { succeeded: 'COMPLETED', failed: 'FAILED', cancelled: 'CANCELLED' };

export function assertEnded({ stored, shown }: Ended, state: keyof typeof shownAs): void {
  assert.equal(stored.state, state, JSON.stringify(stored));
  assert.equal(shown, shownAs[state]);
  if (state === 'succeeded') assert.equal(stored.percent, 100);
}

/** All at once, each with a tenant of its own; a failure says at which step. */
export async function atEach(steps: string[], check: (step: string) => Promise<void>): Promise<void> {
  const ended = await Promise.allSettled(steps.map(check));
  const wrong = ended.flatMap((one, index) =>
    one.status === 'rejected' ? [`${steps[index]}: ${said(one.reason)}`] : [],
  );
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  assert.deepEqual(await placesThatDrifted(), []);
}

const said = (reason: unknown) =>
  reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
