import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type History, historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker } from '@temporalio/worker';
import type { Startable } from '../../models/system/operation.ts';
import { workflowBundle } from '../../temporal/bundle.ts';
import { temporal } from '../../temporal/client.ts';
import { workflowIdOf } from '../../workflows/registry.ts';

/**
 * Histories of every workflow version that ever landed. A workflow that cannot replay them would break operations
 * that are under way while it is rolled out. To keep those of today's version, run its test with
 * `FREEHOLD_RECORD=<name>`, for example `FREEHOLD_RECORD=0001 npm test -- test/workflows/suspend-tenant.test.ts`.
 */
const folderOf = (workflow: string) => fileURLToPath(new URL(`../histories/${workflow}/`, import.meta.url));

export async function replayStored(workflow: string): Promise<number> {
  const folder = folderOf(workflow);
  const files = (await readdir(folder)).filter((name) => name.endsWith('.json'));
  for (const file of files) {
    const history: unknown = JSON.parse(await readFile(`${folder}${file}`, 'utf8'));
    await replay(history, file);
  }
  return files.length;
}

export function replayRun(operation: Startable, outcome: string): Promise<void> {
  return replayWorkflow(operation.kind, workflowIdOf(operation), outcome);
}

/** Replays a run of today as well, and stores it when asked to. */
export async function replayWorkflow(workflow: string, workflowId: string, outcome: string): Promise<void> {
  const history = await temporal().client.workflow.getHandle(workflowId).fetchHistory();
  await replay(history, workflowId);
  const name = process.env.FREEHOLD_RECORD;
  if (name === undefined) return;
  await mkdir(folderOf(workflow), { recursive: true });
  await writeFile(`${folderOf(workflow)}${name}-${outcome}.json`, portable(history));
}

async function replay(history: unknown, name: string): Promise<void> {
  const options = { workflowBundle: await workflowBundle(), replayName: name };
  await Worker.runReplayHistory(options, history, recordedIdOf(history));
}

function recordedIdOf(history: unknown): string | undefined {
  const { events } = history as History; // what both Temporal's JSON and its client give
  return events?.[0]?.workflowExecutionStartedEventAttributes?.workflowId ?? undefined;
}

/** Without the name of the machine it ran on and the paths in its stack traces, neither of which replay reads. */
function portable(history: History): string {
  const plain = JSON.parse(historyToJSON(history), (key, value) => {
    if (key === 'stackTrace') return '';
    return key === 'identity' ? 'test' : value;
  });
  return `${JSON.stringify(plain, undefined, 1)}\n`;
}
