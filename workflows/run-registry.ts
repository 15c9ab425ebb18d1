/** Names that client, workers and workflow of a run agree on. Plain data, as workflows/registry.ts. */
export const runWorkflowType = 'executeRun';
export const runWorkflowId = (tenantId: string, runId: string): string => `tenant/${tenantId}/run/${runId}`;
export const runQueue = (region: string): string => `run.${region}`;
export const isRunQueue = (queue: string): boolean => queue.startsWith('run.');

/** Look at the row again. It says nothing by itself, so whoever can send it past the API achieves nothing. */
export const lookSignal = 'look';

/** What a run's workflow is given: ids, and what one Temporal run hands to the next. */
export type RunInput = {
  tenantId: string;
  runId: string;
  round: number;
  /** Time spent at work in earlier Temporal runs of this round. */
  activeMs?: number;
};

/** A calendar that starts runs: the id of the schedule in Temporal, and how the ids of what it starts begin. */
export const runScheduleId = (tenantId: string, scheduleId: string): string =>
  `tenant/${tenantId}/schedule/${scheduleId}`;
export const firingWorkflowType = 'startScheduledRun';
export type FiringInput = { tenantId: string; scheduleId: string; version: number };

/** What each kind of step is called in the Temporal UI. */
export const stepTitles = {
  agent: 'model call',
  turn: 'model call',
  call: 'tool call',
  tool: 'tool call',
  condition: 'condition',
  approval: 'approval',
  workflow: 'workflow',
  map: 'for each item',
  loop: 'loop',
};
const neutralLines = [
  'Run',
  'Begin',
  'Close',
  'Look what is wanted',
  'Gather the results',
  'Note what failed',
  'See whether to go on',
  'Take the answer',
  'Start a scheduled run',
  'Start the run',
] as const;
export type NeutralLine = (typeof neutralLines)[number] | `Step ${number}: ${string}`;

/** As JSON, which is how they travel (temporal/payload-codec.ts). */
export const neutralLine = new RegExp(
  `^"(${[...neutralLines, ...new Set(Object.values(stepTitles)).values().map((title) => `Step \\d{1,6}: ${title}`)].join('|')})"$`,
);
