import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { Startable } from '../../models/system/operation.ts';
import type { OperationKind } from '../../policies/operation.ts';
import type { Principal } from '../../policies/principal.ts';
import { cancelOperation, retryOperation } from '../../temporal/start.ts';
import {
  type Around,
  combined,
  everythingTwice,
  failsForAWhile,
  failureCount,
  refuses,
  slow,
} from './faults.ts';
import { replayRun, replayStored } from './histories.ts';
import { interruptions } from './interruptions.ts';
import { storedOperation } from './lifecycle.ts';
import { assertEnded, assertFailedAt, atEach, begin, end, parked } from './runs.ts';
import { type Stage, setStage } from './stage.ts';

/**
 * What every workflow of an operation has to stand, asked of the real activities on real Postgres and a real Temporal
 * server. A test file says which steps there are and what must be true afterwards; everything else is here.
 */
export type Promised = {
  criterion: string;
  kind: OperationKind;
  /** The activities of the plan, in the order in which they begin. The last one closes the operation. */
  steps: string[];
  /** Those of them behind the point of no return: refused, they wait for an operator. */
  noWayBack?: string[];
  /** Steps of the plan that are no activities. */
  waits?: string[];
  /** What undoes everything, in the order in which it runs. The last one closes the operation. */
  undos: string[];
  /** `patient`: what waits for a time has to wait longer than a worker takes to start on a busy machine. */
  ask(principal: Principal, patience?: 'patient'): Promise<Startable>;
  /** What must be true after success. */
  kept(operation: Startable): Promise<void>;
  /** What must be true after failure or cancellation: as if nothing had been asked. */
  undone(operation: Startable): Promise<void>;
};

export function keepsItsPromise(promised: Promised): void {
  const { criterion, kind, steps, noWayBack = [], waits = [], undos, kept, undone } = promised;
  const closing = steps.at(-1) ?? '';
  const refusable = steps.filter((step) => !noWayBack.includes(step));
  const lastRefusable = refusable.at(-1) ?? '';
  const undoable = refusable.filter((step) => step !== closing);
  let stage: Stage;
  const ask = (patience?: 'patient') => promised.ask(stage.principal, patience);
  const run = async (fault?: Around) => end(await begin(stage, await ask(), fault));

  describe(`the workflow ${kind}`, () => {
    before(async () => {
      stage = await setStage();
    });
    after(() => stage.leave());

    it(`${criterion} does what it promises, each step once and in order, and tells all of it`, async () => {
      const done = await run();
      assertEnded(done, 'succeeded');
      await kept(done.operation);
      assert.deepEqual(done.names.toSorted(), steps.toSorted());
      assert.equal(done.names.at(-1), closing);
      const told = done.stored.steps.map((step) => step.name);
      assert.deepEqual(told.toSorted(), [...steps, ...waits].toSorted());
      assert.ok(done.stored.steps.every((step) => step.state === 'done' && step.attempts === 1));
      await replayRun(done.operation, 'succeeded');
    });

    for (const when of ['before', 'after'] as const) {
      it(`${criterion} heals when a step fails for a while ${when} its effect, whichever it is`, () =>
        atEach(steps, async (step) => {
          const done = await run(failsForAWhile(step, when));
          assertEnded(done, 'succeeded');
          await kept(done.operation);
          assert.equal(done.names.filter((name) => name === step).length, failureCount + 1);
          // The closing step stores the ledger, so it cannot store its own attempts.
          const retried = done.stored.steps.filter((record) => record.attempts > 1);
          const expected = step === closing ? [] : [[step, failureCount + 1]];
          assert.deepEqual(
            retried.map(({ name, attempts }) => [name, attempts]),
            expected,
          );
        }));
    }

    for (const [when, at] of [
      ['before', refusable],
      ['after', undoable],
    ] as const) {
      it(`${criterion} leaves nothing behind when a step is refused ${when} its effect, whichever it is`, () =>
        atEach(at, async (step) => {
          const failed = await run(combined(refuses(step, when), slow(100)));
          assertFailedAt(step, failed);
          // Nothing is undone while a step is still under way: its effect would land after its undo.
          assert.deepEqual(
            failed.overlapping.filter((name) => undos.includes(name)),
            [],
          );
          await undone(failed.operation);
          if (step === undoable[0]) await replayRun(failed.operation, 'failed');
        }));
    }

    it(`${criterion} stands by what has taken effect when only the reply of the closing step goes wrong`, async () => {
      if (noWayBack.includes(closing)) return;
      const done = await run(refuses(closing, 'after'));
      assert.equal(done.stored.state, 'succeeded');
      await kept(done.operation);
    });

    it(`${criterion} undoes newest first, and once more does no harm`, async () => {
      const failed = await run(combined(refuses(lastRefusable, 'before'), everythingTwice));
      assertFailedAt(lastRefusable, failed);
      assert.deepEqual(failed.names.slice(failed.names.indexOf(lastRefusable) + 1), undos);
      await undone(failed.operation);
    });

    it(`${criterion} does everything twice as if it were once`, async () => {
      const done = await run(everythingTwice);
      assertEnded(done, 'succeeded');
      await kept(done.operation);
    });

    it(`${criterion} parks for an operator when an undo is refused, having done the others, and then ends`, () =>
      atEach(undos, async (undo) => {
        const stuck = combined(refuses(lastRefusable, 'before'), refuses(undo, 'before'));
        const begun = await begin(stage, await ask(), stuck);
        await parked(begun);
        const attempted = begun.names.slice(begun.names.indexOf(lastRefusable) + 1);
        assert.deepEqual(attempted, undo === undos.at(-1) ? undos : undos.slice(0, -1));
        // Cancelling is no way out: what is left would stay for ever.
        await cancelOperation(begun.operation);
        await pause(200);
        assert.equal((await storedOperation(begun.operation)).state, 'parked');
        await retryOperation(begun.operation);
        const failed = await end(begun);
        assertFailedAt(lastRefusable, failed);
        await undone(failed.operation);
        if (undo === undos[0]) await replayRun(failed.operation, 'parked');
      }));

    if (noWayBack.length > 0) {
      it(`${criterion} waits for an operator behind the point of no return, and then goes on`, () =>
        atEach(noWayBack, async (step) => {
          const begun = await begin(stage, await ask(), refuses(step, 'before'));
          const failed = (await parked(begun)).steps.filter((record) => record.state === 'failed');
          assert.deepEqual(
            failed.map((record) => record.name),
            [step],
          );
          await retryOperation(begun.operation);
          const done = await end(begun);
          assertEnded(done, 'succeeded');
          await kept(done.operation);
        }));
    }

    interruptions({ ...promised, undoable, ask, stage: () => stage });

    it(`${criterion} replays the histories of every version that ever landed`, async () => {
      assert.ok((await replayStored(kind)) > 0);
    });
  });
}
