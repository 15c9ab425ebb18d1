import { TemporalFailure } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { OperationState, StepRecord } from '../policies/operation.ts';
import { failedAttempt, inWords, isCancelled } from './failure.ts';

/**
 * The step ledger of one operation: what is planned, how far it is, what went wrong. The interceptor keeps it
 * around every activity; query, Temporal UI, operation row and API only read it.
 */
export type PlannedStep = {
  /** The activity, or the name of a wait. */
  name:
    | keyof Activities
    | 'gracePeriod'
    | 'untilReminder'
    | 'untilExpiry'
    | 'untilKeyKnown'
    | 'untilDue'
    | 'untilDecided'
    | 'untilRaiseEnds';
  title: string;
  /** Activities that take this step's effect back. */
  undoneBy?: ReadonlyArray<keyof Activities>;
};

export type Ledger = {
  state: OperationState;
  readonly steps: StepRecord[];
  /** Counts changes, so that a mirror knows when it is behind. */
  version: number;
  /** How often an operator has asked to try again. */
  retries: number;
  enter(state: OperationState): void;
  summaryOf(activity: string, undoing: boolean): string | undefined;
  /** Keeps the record of `name` while `act` runs. While undoing, `name` strikes out the steps it undoes. */
  track<T>(name: string, undoing: boolean, act: Attempt<T>): Promise<T>;
  /** The ledger as it will stand once the closing activity `name` has succeeded: what that activity stores. */
  closedBy(name: keyof Activities, undoing: boolean): StepRecord[];
};

type Attempt<T> = (tell: (attempt: number) => void) => Promise<T>;
/** A step with the reason why it failed: kept apart, because a stuck undo shows in its place for a while. */
type Entry = { planned: PlannedStep; record: StepRecord; reason?: string };

type Changed = (state: OperationState, steps: StepRecord[]) => void;

export function openLedger(plan: readonly PlannedStep[], changed: Changed): Ledger {
  const entries: Entry[] = plan.map((planned) => ({
    planned,
    record: { name: planned.name, title: planned.title, state: 'waiting', attempts: 0 },
  }));
  const steps = entries.map((entry) => entry.record);
  const change = () => {
    ledger.version += 1;
    changed(ledger.state, steps);
  };
  const ledger: Ledger = {
    state: 'running',
    steps,
    version: 0,
    retries: 0,

    enter(state) {
      ledger.state = state;
      change();
    },

    summaryOf(activity, undoing) {
      if (!undoing) return steps.find((step) => step.name === activity)?.title;
      const undone = entries.find((entry) => concerns(entry, activity, undoing));
      return undone && `Undo: ${undone.record.title}`;
    },

    async track(name, undoing, act) {
      const touched = entries.filter((entry) => concerns(entry, name, undoing));
      if (touched.length === 0) return act(() => {});
      if (!undoing) touched.forEach(begin);
      change();
      try {
        const result = await act((attempt) => {
          if (!undoing) for (const { record } of touched) record.attempts = attempt;
        });
        for (const entry of touched) succeed(entry, undoing);
        return result;
      } catch (failure) {
        // A bug blocks the workflow task; the ledger of a blocked workflow is not asked for.
        if (failure instanceof TemporalFailure) for (const entry of touched) fail(entry, undoing, failure);
        throw failure;
      } finally {
        change();
      }
    },

    closedBy(name, undoing) {
      return entries.map((entry) => {
        const copy = { ...entry, record: { ...entry.record } };
        if (concerns(entry, name, undoing)) succeed(copy, undoing);
        return copy.record;
      });
    },
  };
  return ledger;
}

function concerns({ planned, record }: Entry, name: string, undoing: boolean): boolean {
  if (!undoing) return planned.name === name;
  return record.state !== 'waiting' && (planned.undoneBy ?? []).some((undo) => undo === name);
}

function begin(entry: Entry): void {
  const { record } = entry;
  delete entry.reason;
  record.state = 'running';
  record.startedAt ??= now();
  record.attempts = 1;
  delete record.endedAt;
}

function succeed(entry: Entry, undoing: boolean): void {
  const { record, reason } = entry;
  if (undoing && reason !== undefined) {
    // The step that failed by itself stays in the ledger as the one that failed.
    record.refusal = reason;
    return;
  }
  record.state = undoing ? 'undone' : 'done';
  record.startedAt ??= now();
  record.endedAt = now();
  record.attempts = Math.max(record.attempts, 1);
  delete record.refusal;
}

function fail(entry: Entry, undoing: boolean, failure: TemporalFailure): void {
  const { record } = entry;
  record.endedAt = now();
  if (undoing) {
    record.refusal = `Could not be undone: ${inWords(failure)}`;
    return;
  }
  record.state = 'failed';
  record.refusal = inWords(failure);
  record.attempts = failedAttempt(failure) ?? record.attempts;
  if (!isCancelled(failure)) entry.reason = record.refusal;
}

const now = (): string => new Date().toISOString();
