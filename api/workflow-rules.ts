import { keyringOf } from '../models/keyring.ts';
import type { Place, Sql } from '../models/scope.ts';
import { agentVersion } from '../models/tenant/agent-version.ts';
import { type Reader, readable } from '../models/tenant/readable.ts';
import type { Fault } from '../policies/refusal.ts';
import { check } from '../policies/workflow-check.ts';
import type { WorkflowDefinition, WorkflowStep } from '../policies/workflow-definition.ts';
import { unknownIntegrations } from './agent-rules.ts';

/** What is wrong with a workflow in the organisation it is to run in, and for whom it is checked. */
export type Checked = { id?: string; definition: WorkflowDefinition };

export async function workflowFaults(
  sql: Sql,
  place: Place,
  reader: Reader,
  { id, definition }: Checked,
): Promise<Fault[]> {
  const steps = flat(definition.steps, '/steps');
  const { agents, workflows, integrations } = usedBy(definition);
  const roles = await sql<{ name: string }>('SELECT name FROM roles');
  const there = await readable(sql, reader, 'Workflow', workflows);
  const faults = check(definition, {
    agents: await answersOf(sql, place, reader, agents),
    integrations: await unknownIntegrations(sql, reader, integrations),
    workflows: new Set(there.map(({ id: known }) => String(known))),
    roles: new Set(roles.map(({ name }) => name)),
  });
  return [...faults, ...(id ? await recursion(sql, id, steps) : [])];
}

export function usedBy({ steps }: Pick<WorkflowDefinition, 'steps'>) {
  const all = flat(steps, '').map(({ step }) => step);
  const of = (ids: string[]) => [...new Set(ids)];
  return {
    agents: of(all.flatMap((step) => (step.kind === 'agent' ? step.agentId : []))),
    workflows: of(all.flatMap((step) => (step.kind === 'workflow' ? step.workflowId : []))),
    integrations: of(all.flatMap((step) => (step.kind === 'tool' ? step.integrationId : []))),
  };
}

type Placed = { step: WorkflowStep; pointer: string };
function flat(steps: WorkflowStep[], pointer: string): Placed[] {
  return steps.flatMap((step, index) => {
    const at = `${pointer}/${index}`;
    return [{ step, pointer: at }, ...('steps' in step ? flat(step.steps, `${at}/steps`) : [])];
  });
}

/** By the live version, or the draft of an agent that has none yet. */
async function answersOf(
  sql: Sql,
  place: Place,
  reader: Reader,
  ids: string[],
): Promise<Map<string, Record<string, unknown> | null>> {
  const rows = await readable(sql, reader, 'Agent', ids);
  const keyring = await keyringOf(place);
  const answers = new Map<string, Record<string, unknown> | null>();
  for (const { id, live_version: live } of rows) {
    const version = live === null ? 'draft' : Number(live);
    const { definition } = await agentVersion(sql, keyring, String(id), version);
    answers.set(String(id), definition.outputSchema ?? null);
  }
  return answers;
}

/**
 * A workflow that always runs itself, directly or by way of others' live versions, could only end by the limit of depth.
 * One whose step has a condition may, for it can end by itself.
 */
async function recursion(sql: Sql, id: string, steps: Placed[]): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const { step, pointer } of steps) {
    if (step.kind !== 'workflow' || step.when !== undefined) continue;
    const [found] =
      step.workflowId === id ? [{ way: [id] }] : await sql<{ way: string[] }>(wayBack, [step.workflowId, id]);
    if (!found) continue;
    const way = [id, ...found.way].join(' → ');
    faults.push({
      pointer: `${pointer}/workflowId`,
      code: 'recursion',
      detail: `leads back to this workflow (${way}) with nothing to end it; give the step a “when”, or use a loop`,
    });
  }
  return faults;
}

const wayBack = `WITH RECURSIVE run AS (
    SELECT id, ARRAY[id] AS way FROM workflows WHERE id = $1
    UNION ALL
    SELECT u.used_workflow_id, run.way || u.used_workflow_id FROM run
      JOIN workflows w ON w.id = run.id JOIN workflow_uses u ON u.workflow_id = w.id AND u.version = w.live_version
    WHERE u.used_workflow_id IS NOT NULL AND NOT u.used_workflow_id = ANY (run.way) AND cardinality(run.way) < 10)
  SELECT way FROM run WHERE id = $2 LIMIT 1`;
