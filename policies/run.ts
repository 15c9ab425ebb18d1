/**
 * What a run is: one execution of an agent or workflow, as the API shows it. States, and what may be asked in which,
 * are data, read by routes (may this be asked now?) and lists (what is under way). `waiting`: for people, with nothing
 * else under way. `refused`: a limit or rule ended it; `failed`: a step did.
 */
export const runStates = [
  'queued',
  'running',
  'waiting',
  'paused',
  'succeeded',
  'failed',
  'refused',
  'cancelled',
] as const;
export type RunState = (typeof runStates)[number];

export type EndState = Extract<RunState, 'succeeded' | 'failed' | 'refused' | 'cancelled'>;
const endStates: readonly EndState[] = ['succeeded', 'failed', 'refused', 'cancelled'];
export const runsUnderWay: readonly RunState[] = ['queued', 'running', 'waiting', 'paused'];
export const isRunEnded = (state: RunState): state is EndState => endStates.some((each) => each === state);

/** What people can ask of a run, in which states, and what is said when it is too late or too early. */
export const runRequests = {
  cancel: { from: runsUnderWay, wanted: 'cancelled' },
  pause: { from: ['queued', 'running', 'waiting'], wanted: 'paused' },
  resume: { from: ['queued', 'running', 'waiting', 'paused'], wanted: 'running' },
  retry: { from: endStates, wanted: 'running' },
} as const satisfies Record<string, { from: readonly RunState[]; wanted: RunWanted }>;
export type RunRequest = keyof typeof runRequests;
export type RunWanted = 'running' | 'paused' | 'cancelled';

export const runStepStates = ['running', 'waiting', 'done', 'failed', 'skipped'] as const;
export type RunStepState = (typeof runStepStates)[number];

export const runStepKinds = [
  'agent',
  'turn',
  'call',
  'tool',
  'condition',
  'approval',
  'workflow',
  'map',
  'loop',
] as const;
export type RunStepKind = (typeof runStepKinds)[number];

/** Why a run or a step did not succeed, in a word that holds no tenant data. */
export const runRefusals = [
  'limit-steps',
  'limit-minutes',
  'limit-tokens',
  'limit-depth',
  'limit-size',
  'limit-quota',
  'limit-budget',
  'forbidden',
  'refused',
  'failed',
  'timeout',
  'rejected',
  'expired',
  'expression',
  'cancelled',
] as const;
export type RunRefusal = (typeof runRefusals)[number];

export const isLimit = (code: RunRefusal): boolean => code.startsWith('limit-');

/** A limit, or somebody's no; everything else is a step that failed. */
const rules: readonly RunRefusal[] = ['forbidden', 'rejected', 'expired'];
export const isRuleOrLimit = (code: RunRefusal): boolean => isLimit(code) || rules.includes(code);

/** How a run ends; `path` is the step whose row says why. */
export type RunEnding = { state: EndState; code?: RunRefusal; path?: string };

export const approvalStates = ['open', 'approved', 'rejected', 'expired', 'withdrawn'] as const;
export type ApprovalState = (typeof approvalStates)[number];

/** Labels are a run's own metadata: a few short texts by name, which its owner finds it by. */
export type RunLabels = Record<string, string>;

/** Upper and lower case, and ways to write the same letter, are one when labels are searched. */
const plain = (text: string): string => text.normalize('NFKC').toLowerCase().trim();

/** What a run is found by: each label's name, `name=value`, and the words of its value. */
export function labelTokens(labels: RunLabels): string[] {
  const tokens = Object.entries(labels).flatMap(([name, value]) => [
    labelToken(name),
    labelToken(`${name}=${value}`),
    ...wordsOf(value),
  ]);
  return [...new Set(tokens)];
}

/** A label somebody looks for, by `name` or `name=value`. */
export function labelToken(label: string): string {
  const at = label.indexOf('=');
  return at < 0 ? plain(label) : `${plain(label.slice(0, at))}=${plain(label.slice(at + 1))}`;
}

/** The words somebody looks for; each has to be one of a run's tokens. None holds a `=`, so none is taken for a label. */
export const wordsOf = (text: string): string[] =>
  plain(text)
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);
