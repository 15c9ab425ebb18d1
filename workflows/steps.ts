import { type OperationState, percentOf, type StepRecord } from '../policies/operation.ts';

const marks: Record<StepRecord['state'], string> = {
  waiting: '▫️',
  running: '⏳',
  done: '✅',
  failed: '❌',
  undone: '↩️',
};

const states: Record<OperationState, string> = {
  running: 'Running',
  succeeded: 'Succeeded',
  failed: 'Failed; everything done before was undone',
  cancelled: 'Cancelled; everything done before was undone',
  parked: 'Parked: needs an operator. Mend what is named below, then send the signal `retry`',
};

/** Markdown for the details in the Temporal UI. */
export function inMarkdown(state: OperationState, steps: readonly StepRecord[]): string {
  // What was not needed any more is not missing.
  const percent = state === 'succeeded' ? 100 : percentOf(steps);
  return [`**${states[state]}** (${percent} %)`, '', ...steps.map(line)].join('\n');
}

function line({ state, title, startedAt, endedAt, attempts, refusal }: StepRecord): string {
  const time = endedAt ?? startedAt;
  const facts = [time && `${state} at ${time}`, attempts > 1 && `${attempts} attempts`]
    .filter(Boolean)
    .join(', ');
  return `- ${marks[state]} ${title}${facts && ` (${facts})`}${refusal ? `: ${refusal}` : ''}`;
}
