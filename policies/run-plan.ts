import type { AgentDefinition } from './agent-definition.ts';
import type { RunRefusal } from './run.ts';
import type { WorkflowDefinition, WorkflowStep } from './workflow-definition.ts';

/**
 * What a run carries: every definition it can reach, pinned when it starts, and what its workflow in Temporal is told
 * of them: ids, order and bounds, never a text. Paths name what is done: `draft` a step, `draft#2` the second turn of
 * its agent, `draft#2.0` the first tool that turn called for, `each[4]/send` a step for the fifth item of a map.
 */
type Pinned<Definition> = { version: number | null; definition: Definition };
export type RunPlan = {
  root: { agentId: string } | { workflowId: string };
  agents: Record<string, Pinned<AgentDefinition>>;
  workflows: Record<string, Pinned<WorkflowDefinition>>;
};

/** The one workflow a plan starts with: of a single agent, one that asks it what it was given. */
export function rootWorkflow({ root, agents, workflows }: RunPlan): WorkflowDefinition {
  if ('workflowId' in root) return pinned(workflows, root.workflowId).definition;
  const { limits } = pinned(agents, root.agentId).definition;
  return {
    inputSchema: agentInput,
    steps: [
      { ...plainStep, id: 'agent', kind: 'agent', agentId: root.agentId, prompt: '{{ input.prompt }}' },
    ],
    limits,
  };
}

const plainStep = {
  after: [],
  retry: { attempts: 3, firstDelaySeconds: 1 },
  timeoutSeconds: 300,
  onFailure: 'fail' as const,
};

const agentInput = {
  type: 'object',
  properties: { prompt: { type: 'string', minLength: 1, maxLength: 100_000 } },
  required: ['prompt'],
  additionalProperties: false,
};

export function pinned<T>(of: Record<string, T>, id: string): T {
  const found = Object.hasOwn(of, id) ? of[id] : undefined;
  if (!found) throw new Error(`bug: the plan of this run does not hold ${id}`);
  return found;
}

/** A step as the workflow in Temporal knows it. */
export type OutlineStep = {
  id: string;
  kind: WorkflowStep['kind'];
  after: string[];
  attempts: number;
  firstDelaySeconds: number;
  timeoutSeconds: number;
  onFailure: 'fail' | 'continue';
  concurrency?: number;
  workflowId?: string;
  steps?: OutlineStep[];
};
export type Outline = { steps: OutlineStep[]; workflows: Record<string, OutlineStep[]> };

export function outlineOf(plan: RunPlan): Outline {
  const subs = Object.entries(plan.workflows).map(([id, { definition }]) => [
    id,
    definition.steps.map(outlineStep),
  ]);
  return { steps: rootWorkflow(plan).steps.map(outlineStep), workflows: Object.fromEntries(subs) };
}

function outlineStep(step: WorkflowStep): OutlineStep {
  const { id, kind, after, retry, timeoutSeconds, onFailure } = step;
  return {
    id,
    kind,
    after,
    timeoutSeconds,
    onFailure,
    attempts: retry.attempts,
    firstDelaySeconds: retry.firstDelaySeconds,
    ...(step.kind === 'map' && { concurrency: step.concurrency }),
    ...(step.kind === 'workflow' && { workflowId: step.workflowId }),
    ...('steps' in step && { steps: step.steps.map(outlineStep) }),
  };
}

/** What an activity of a run answers: what became of it, in words and numbers that hold nothing of the tenant's. */
export type Outcome =
  | { state: 'done'; count?: number; calls?: CallKind[] }
  | { state: 'skipped' }
  | { state: 'waiting'; dueAt: string }
  /** `again`: worth another attempt, after as many seconds as the step says. */
  | { state: 'failed'; code: RunRefusal; again?: boolean }
  /** Nothing was done, because the run is to pause or its tenant is suspended. */
  | { state: 'held' };
/** Of a tool that an agent's turn asks for: `hand-off` is another agent, the rest is one activity. */
export type CallKind = 'call' | 'hand-off';

/** All that the definitions of a plan name, and where: `holder` is the agent or workflow that does. */
export type Named = { type: 'Agent' | 'Workflow' | 'Integration'; id: string; holder: string; at: string };

export function namedIn({ agents, workflows }: RunPlan): Named[] {
  const byAgents = Object.entries(agents).flatMap(
    ([
      holder,
      {
        definition: { tools },
      },
    ]) =>
      tools.flatMap((tool): Named[] => {
        const at = `The tool “${tool.name}”`;
        if (tool.kind === 'hand-off') return [{ type: 'Agent', id: tool.agentId, holder, at }];
        return tool.kind === 'integration'
          ? [{ type: 'Integration', id: tool.integrationId, holder, at }]
          : [];
      }),
  );
  const bySteps = Object.entries(workflows).flatMap(([holder, { definition }]) =>
    namedBy(definition.steps, holder),
  );
  return [...byAgents, ...bySteps];
}

function namedBy(steps: WorkflowStep[], holder: string): Named[] {
  return steps.flatMap((step): Named[] => {
    const at = `The step “${step.id}”`;
    if (step.kind === 'agent') return [{ type: 'Agent', id: step.agentId, holder, at }];
    if (step.kind === 'workflow') return [{ type: 'Workflow', id: step.workflowId, holder, at }];
    if (step.kind === 'tool') return [{ type: 'Integration', id: step.integrationId, holder, at }];
    return 'steps' in step ? namedBy(step.steps, holder) : [];
  });
}
