import { setTimeout as pause } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import type { Principal } from '../../policies/principal.ts';
import { production } from '../../temporal/production.ts';
import type { WorkerParts } from '../../temporal/worker.ts';

/** What happens around an activity's effect, instead of just the effect. */
export type Around = (activity: string, effect: () => Promise<unknown>) => Promise<unknown>;

/** The real activities; around those of a tenant (or a hash, or a region) that has a fault, the fault. */
export function faultyParts(faultOf: (subject: string) => Around | undefined): WorkerParts {
  const activities = Object.entries(production.activities).map(([name, run]) => {
    const faulty = (input: never, by: Principal, requestId?: string) => {
      // Plain ids: see activities/activity.ts, activities/discovery.ts and activities/webhook-delivery.ts.
      const step = input as
        | { tenantId?: string; emailHash?: string; of?: string; region?: string }
        | undefined;
      const fault = faultOf(step?.tenantId ?? step?.emailHash ?? step?.of ?? step?.region ?? '');
      const effect = () => run(input, by, requestId);
      return fault ? fault(name, effect) : effect();
    };
    return [name, faulty] as const;
  });
  return { ...production, activities: Object.fromEntries(activities) };
}

type When = 'before' | 'after';

/** `act` in front of the step's effect, or between the effect and its reply. */
export function at(step: string, when: When, act: () => Promise<unknown>): Around {
  return async (name, effect) => {
    if (name === step && when === 'before') await act();
    const result = await effect();
    if (name === step && when === 'after') await act();
    return result;
  };
}

/** For good: the activity says no, and no retry helps. Once, because an undo may be the same activity. */
export function refuses(step: string, when: When): Around {
  return at(
    step,
    when,
    times(1, () => ApplicationFailure.nonRetryable('Refused by the test.', 'refusal')),
  );
}

/** For a while: the world heals before the third attempt. */
export const failureCount = 2;
export function failsForAWhile(step: string, when: When, message = 'failed by the test'): Around {
  return at(
    step,
    when,
    times(failureCount, () => new Error(message)),
  );
}

function times(count: number, error: () => Error): () => Promise<void> {
  let thrown = 0;
  return async () => {
    thrown += 1;
    if (thrown <= count) throw error();
  };
}

/** Every effect is had twice, as when a reply is lost and nobody notices. */
export const everythingTwice: Around = async (_name, effect) => {
  await effect();
  return effect();
};

/** Takes its time before its effect, so that what does not wait for it is seen. */
export function slow(milliseconds: number): Around {
  return async (_name, effect) => {
    await pause(milliseconds);
    return effect();
  };
}

/** What goes its own way beside what is looked at: how far it is, and what people are told of it. */
const beside = ['mirrorOperation', 'mailNotices', 'deliverDue'];

/** Which activities were begun, in order, and which of them while others were under way. */
export type Recorded = { names: string[]; overlapping: string[] };

export function recording({ names, overlapping }: Recorded, ignored = beside): Around {
  const underWay: string[] = [];
  return async (name, effect) => {
    if (ignored.includes(name)) return effect();
    names.push(name);
    if (underWay.length > 0) overlapping.push(name);
    underWay.push(name);
    try {
      return await effect();
    } finally {
      underWay.splice(underWay.indexOf(name), 1);
    }
  };
}

/** Several at once; the first is outermost. */
export function combined(...faults: Around[]): Around {
  return faults.reduceRight<Around>(
    (inner, outer) => (name, effect) => outer(name, () => inner(name, effect)),
    (_name, effect) => effect(),
  );
}

/** `act` after the effect of the step; `step@3` is its third time. */
export function doomedAt(step: string, act: () => Promise<unknown>): Around {
  const [name, nth = '1'] = step.split('@');
  let times = 0;
  return at(name ?? '', 'after', async () => {
    times += 1;
    if (times === Number(nth)) await act();
  });
}
