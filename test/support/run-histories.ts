import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { WorkflowClient } from '@temporalio/client';
import { type History, historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker } from '@temporalio/worker';
import { config } from '../../models/databases.ts';
import { keyringOf } from '../../models/keyring.ts';
import { workflowBundle } from '../../temporal/bundle.ts';
import { temporal } from '../../temporal/client.ts';
import { fromJson, isSealed, openPayload, type PayloadJson, toJson } from '../../temporal/payload-codec.ts';
import { runDataConverter, temporalNamespaceOf } from '../../temporal/run-namespace.ts';
import { runWorkflowId } from '../../workflows/run-registry.ts';
import { placed } from './people.ts';

/**
 * Histories of runs. Those that are kept were opened first, for the keys of a test's tenant are gone with it; today's
 * are replayed as they are. To keep one: FREEHOLD_RECORD=<name>, as for test/support/histories.ts.
 */
type Kind = 'execute-run' | 'start-scheduled-run';
const folderOf = (kind: Kind) => fileURLToPath(new URL(`../histories/${kind}/`, import.meta.url));
const { failureConverterPath } = runDataConverter;
const plainly = { ...(failureConverterPath && { failureConverterPath }) };

/** Replays the run's history, and says what stands in it as anybody reads it who has no key. */
export function replayRunOf(tenantId: string, runId: string, outcome: string): Promise<string> {
  return replaySealed('execute-run', { tenantId, workflowId: runWorkflowId(tenantId, runId) }, outcome);
}

export async function replaySealed(
  kind: Kind,
  { tenantId, workflowId }: { tenantId: string; workflowId: string },
  outcome: string,
): Promise<string> {
  const { connection } = temporal();
  const namespace = temporalNamespaceOf(config(), 'eu');
  const other = new WorkflowClient({
    connection,
    namespace,
  });
  const history = await closedHistory(() => other.getHandle(workflowId).fetchHistory());
  const options = { workflowBundle: await workflowBundle('runs'), dataConverter: runDataConverter };
  await Worker.runReplayHistory(options, history, workflowId);
  const json = historyToJSON(history);
  const name = process.env.FREEHOLD_RECORD;
  if (name !== undefined) {
    await mkdir(folderOf(kind), { recursive: true });
    await writeFile(`${folderOf(kind)}${name}-${outcome}.json`, await opened(json, tenantId));
  }
  return JSON.stringify(JSON.parse(json), (key, value) =>
    key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString() : value,
  );
}

/** The row is closed some milliseconds before the workflow is. */
async function closedHistory(fetch: () => Promise<History>): Promise<History> {
  for (;;) {
    const history = await fetch();
    const last = history.events?.at(-1);
    if (last?.workflowExecutionCompletedEventAttributes || last?.workflowExecutionCanceledEventAttributes)
      return history;
  }
}

async function opened(json: string, tenantId: string): Promise<string> {
  const keyring = await keyringOf(await placed(tenantId));
  const plain: unknown = JSON.parse(json, (key, value) => {
    if (key === 'stackTrace') return '';
    if (key === 'identity') return 'test';
    if (typeof value !== 'object' || value === null || !('metadata' in value)) return value;
    const payload = fromJson(value as PayloadJson); // protobuf's JSON of a payload
    return isSealed(payload) ? toJson(openPayload(keyring, payload)) : value;
  });
  return `${JSON.stringify(plain, undefined, 1)}\n`;
}

export async function replayStoredRuns(kind: Kind = 'execute-run'): Promise<number> {
  const folder = folderOf(kind);
  const files = (await readdir(folder)).filter((name) => name.endsWith('.json'));
  for (const file of files) {
    const history = JSON.parse(await readFile(`${folder}${file}`, 'utf8')) as History; // as kept above
    const workflowId = history.events?.[0]?.workflowExecutionStartedEventAttributes?.workflowId ?? undefined;
    const options = {
      workflowBundle: await workflowBundle('runs'),
      dataConverter: plainly,
      replayName: file,
    };
    await Worker.runReplayHistory(options, history, workflowId);
  }
  return files.length;
}
