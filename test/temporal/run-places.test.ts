import assert from 'node:assert/strict';
import { AsyncResource } from 'node:async_hooks';
import { setImmediate as pass } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { giveWay, placesInHand, RunSlots } from '../../temporal/run-slots.ts';

describe('places for runs, counted', () => {
  /** How many places there are just now. */
  async function free(slots: RunSlots): Promise<number> {
    const { signal, abort } = abortable();
    let count = 0;
    const asked = Array.from({ length: 4 * placesInHand }, () =>
      slots.reserveSlot(undefined, signal).then(
        () => {
          count += 1;
        },
        () => {},
      ),
    );
    await pass();
    const found = count;
    abort();
    await Promise.all(asked);
    for (let at = 0; at < found; at++) slots.releaseSlot();
    return found;
  }
  const abortable = () => {
    const controller = new AbortController();
    return { signal: controller.signal, abort: () => controller.abort() };
  };

  it('R10.2 in which one tenant may wait are as many as are free, so that there is one for whoever comes next', async () => {
    const slots = new RunSlots();
    const never = Promise.withResolvers<void>();
    const { signal } = new AbortController();
    const waits = async (fairnessKey: string, attempt = 1): Promise<Date | 'waits'> => {
      await slots.reserveSlot(undefined, signal);
      const { inbound } = slots.around({ info: { attempt, priority: { fairnessKey } } });
      const stuck = inbound?.execute?.({ args: [], headers: {} }, async () => {
        giveWay();
        await never.promise;
      });
      const answer = await Promise.race([stuck, pass('waits')]).catch((failure: unknown) => {
        slots.releaseSlot();
        assert.ok(failure instanceof ApplicationFailure && failure.type === 'places-taken', String(failure));
        assert.equal(failure.nonRetryable, false);
        return new Date(Number(failure.nextRetryDelay));
      });
      return answer instanceof Date ? answer : 'waits';
    };
    const countOf = async (fairnessKey: string) => {
      for (let count = 0; ; count++) if ((await waits(fairnessKey)) !== 'waits') return count;
    };
    const [first, second, third] = [await countOf('a'), await countOf('b'), await countOf('c')];
    assert.deepEqual([first, second, third], [128, 64, 32]);
    for (const each of ['a', 'b', 'c']) assert.notEqual(await waits(each), 'waits');
    for (let at = 0; at < 10; at++) assert.equal(await waits(`tenant-${at}`), 'waits');
    const delays = await Promise.all([1, 3, 50].map(async (attempt) => Number(await waits('a', attempt))));
    const [soon = 0, later = 0, latest = 0] = delays;
    assert.ok(soon >= 500 && soon <= 1_000 && later >= 2_000 && later <= 4_000, String(delays));
    assert.ok(latest >= 15_000 && latest <= 30_000, String(delays));
  });

  it('R10.2 are as many after what went wrong as before: calls that go on, failures, polls that were called off', async () => {
    const slots = new RunSlots();
    const late: (() => void)[] = [];
    const act = async (what: () => Promise<unknown>) => {
      await slots.reserveSlot(undefined, new AbortController().signal);
      const input = { args: [], headers: {} };
      await slots
        .around({ info: { attempt: 1 } })
        .inbound?.execute?.(input, what)
        .catch(() => {});
      slots.releaseSlot();
    };
    assert.equal(await free(slots), placesInHand);
    for (let times = 0; times < 3 * placesInHand; times++) {
      await act(async () => {
        late.push(AsyncResource.bind(giveWay));
      });
      await act(async () => {
        giveWay();
        giveWay();
        throw new Error('on purpose');
      });
    }
    for (const each of late) each();
    assert.equal(await free(slots), placesInHand);
    assert.equal(slots.tryReserveSlot(), null);
  });
});
