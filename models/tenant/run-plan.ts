import type { AgentDefinition } from '../../policies/agent-definition.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { RunPlan } from '../../policies/run-plan.ts';
import type { WorkflowDefinition, WorkflowStep } from '../../policies/workflow-definition.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { agentVersion } from './agent-version.ts';
import { workflowVersion } from './workflow-version.ts';

/** What a run is pinned to: everything it can reach from where it starts, read once, in the transaction that starts it. */
export type Target = { agentId: string } | { workflowId: string };
export type Which = number | 'live' | 'draft';

// More is no design but a loop of references, and every step of the run would read it.
const definitionsMax = 200;

export async function pinPlan(sql: Sql, keyring: Keyring, target: Target, which: Which): Promise<RunPlan> {
  const plan: RunPlan = { root: target, agents: {}, workflows: {} };
  const nested: Which = which === 'draft' ? 'draft' : 'live';
  const waiting: { target: Target; which: Which }[] = [{ target, which }];
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    if (isPinned(plan, next.target)) continue;
    if (Object.keys(plan.agents).length + Object.keys(plan.workflows).length >= definitionsMax)
      throw new Refusal('unprocessable', `A run can reach at most ${definitionsMax} agents and workflows.`);
    const found = await pin(sql, keyring, plan, next);
    waiting.push(...found.map((each) => ({ target: each, which: nested })));
  }
  return plan;
}

const isPinned = ({ agents, workflows }: RunPlan, target: Target): boolean =>
  'agentId' in target ? target.agentId in agents : target.workflowId in workflows;

async function pin(
  sql: Sql,
  keyring: Keyring,
  plan: RunPlan,
  { target, which }: { target: Target; which: Which },
): Promise<Target[]> {
  if ('agentId' in target) {
    const { version, definition } = await agentVersion(sql, keyring, target.agentId, which);
    plan.agents[target.agentId] = { version, definition };
    return reachedByAgent(definition);
  }
  const { version, definition } = await workflowVersion(sql, keyring, target.workflowId, which);
  plan.workflows[target.workflowId] = { version, definition };
  return reachedBySteps(definition.steps);
}

const reachedByAgent = ({ tools }: AgentDefinition): Target[] =>
  tools.flatMap((tool) => (tool.kind === 'hand-off' ? [{ agentId: tool.agentId }] : []));

function reachedBySteps(steps: WorkflowDefinition['steps']): Target[] {
  return steps.flatMap((step: WorkflowStep): Target[] => {
    if (step.kind === 'agent') return [{ agentId: step.agentId }];
    if (step.kind === 'workflow') return [{ workflowId: step.workflowId }];
    return 'steps' in step ? reachedBySteps(step.steps) : [];
  });
}

export const versionOf = ({ root, agents, workflows }: RunPlan): number | null =>
  ('agentId' in root ? agents[root.agentId]?.version : workflows[root.workflowId]?.version) ?? null;
