/** The entry of the bundle for the namespaces of agent runs: what runs there is encrypted, and nothing else runs there. */
export { executeRun } from './execute-run.ts';
export { startScheduledRun } from './start-scheduled-run.ts';
