import assert from 'node:assert/strict';
import type { Startable } from '../../models/system/operation.ts';
import { cancelOperation, startOperation } from '../../temporal/start.ts';
import { at, combined, failsForAWhile } from './faults.ts';
import { replayRun } from './histories.ts';
import { assertEnded, atEach, begin, end } from './runs.ts';
import { closed, type Stage } from './stage.ts';
import type { Promised } from './workflow-harness.ts';

/** The part of the harness in which somebody interferes: cancels, starts twice, kills a worker. */
export type Interrupted = Omit<Promised, 'ask'> & {
  undoable: string[];
  stage(): Stage;
  ask(patience?: 'patient'): Promise<Startable>;
};

export function interruptions({ criterion, steps, undoable, kept, undone, ask, stage }: Interrupted): void {
  it(`${criterion} can be cancelled at every step until it is too late`, () =>
    atEach(steps, async (step) => {
      const operation = await ask();
      const cancel = at(step, 'before', () => cancelOperation(operation));
      // Its reply is lost as well, so the step that comes too late to be cancelled is waiting to be tried again.
      const ended = await end(
        await begin(stage(), operation, combined(cancel, failsForAWhile(step, 'after'))),
      );
      if (!undoable.includes(step)) {
        assertEnded(ended, 'succeeded');
        return kept(operation);
      }
      assertEnded(ended, 'cancelled');
      await undone(operation);
      if (step === undoable[0]) await replayRun(operation, 'cancelled');
    }));

  it(`${criterion} runs once when it is started twice, and not again when it has ended`, async () => {
    const operation = await ask();
    const begun = begin(stage(), operation);
    const again = startOperation(operation);
    const done = await end(await begun);
    await again;
    assert.deepEqual(done.names.toSorted(), steps.toSorted());
    assert.equal(await startOperation(operation), 'started');
    await closed(operation);
    assert.deepEqual(done.names.toSorted(), steps.toSorted());
    await kept(operation);
  });

  it(`${criterion} is finished by another worker when one is killed, at whichever step`, async () => {
    await stage().rest();
    const doomed = await Promise.all(steps.map(async (step) => ({ step, operation: await ask('patient') })));
    await stage().killedAt(new Map(doomed.map(({ step, operation }) => [operation.tenantId, step])), () =>
      Promise.all(doomed.map(({ operation }) => startOperation(operation))),
    );
    await stage().work();
    await atEach(steps, async (step) => {
      const { operation } = doomed.find((one) => one.step === step) ?? doomed[0] ?? assert.fail();
      assertEnded(await end({ operation, names: [], overlapping: [] }), 'succeeded');
      await kept(operation);
    });
  }).timeout(90_000);
}
