import { z } from 'zod';
import { agentLimits } from './agent-definition.ts';

/**
 * A workflow as data: steps that come after one another, as an editor draws them. A step runs when all it comes after
 * have ended, and is skipped when `when` is false or all it comes after were skipped. There are no cycles: a loop is a
 * step with steps of its own and a bound. Expressions are CEL over `input`, `steps.<id>.output`, `run`, and inside a
 * map or loop `item` and `index`; in texts they stand in `{{ … }}`.
 */
const stepId = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower-case letters, digits and _, at most 64, a letter first');
const expression = z.string().min(1).max(2_000).describe('A CEL expression.');
const template = z.string().max(50_000).describe('Text with CEL expressions in {{ … }}.');
const idOf = (prefix: string) => z.string().regex(new RegExp(`^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`));

const common = {
  id: stepId,
  title: z.string().max(200).optional().describe('What people call it.'),
  after: z.array(stepId).max(50).default([]),
  when: expression.optional(),
  retry: z
    .strictObject({
      attempts: z.int().min(1).max(20).default(3),
      /** Seconds before the second attempt; doubles with each. */
      firstDelaySeconds: z.number().min(0.1).max(3_600).default(1),
    })
    .prefault({}),
  timeoutSeconds: z.int().min(1).max(86_400).default(300),
  /** `continue`: the step counts as ended, its output is `{ "error": … }`. */
  onFailure: z.enum(['fail', 'continue']).default('fail'),
  /** Where an editor draws it. */
  position: z.strictObject({ x: z.number(), y: z.number() }).optional(),
};

const agentStep = z
  .strictObject({
    ...common,
    kind: z.literal('agent'),
    agentId: idOf('agt'),
    prompt: template,
    /** Absent: a conversation of its own. */
    conversation: template.optional(),
  })
  .meta({ title: 'Agent', description: 'Ask an agent, with a prompt.' });
const toolStep = z
  .strictObject({
    ...common,
    kind: z.literal('tool'),
    integrationId: idOf('int'),
    method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
    path: template,
    /** JSON in which every string may hold expressions; a string that is one expression alone becomes its value. */
    body: z.json().optional(),
  })
  .meta({ title: 'Tool', description: 'Call an HTTP integration.' });
const conditionStep = z
  .strictObject({ ...common, kind: z.literal('condition'), if: expression })
  .meta({ title: 'Condition', description: 'Decide: later steps ask its output in their “when”.' });
const approvalStep = z
  .strictObject({
    ...common,
    kind: z.literal('approval'),
    /** The role whose holders may answer. */
    role: z.string().min(1).max(64),
    question: template,
    /** How long it is waited for; then the run ends as if rejected. */
    timeoutSeconds: z.int().min(1).max(2_592_000).default(604_800),
  })
  .meta({ title: 'Approval', description: 'Wait for a person to approve or reject.' });
const workflowStep = z
  .strictObject({
    ...common,
    kind: z.literal('workflow'),
    workflowId: idOf('wfl'),
    /** JSON with expressions, as a tool's body. */
    input: z.json().optional(),
  })
  .meta({ title: 'Workflow', description: 'Run another workflow and wait for its output.' });

type Simple =
  | z.infer<typeof agentStep>
  | z.infer<typeof toolStep>
  | z.infer<typeof conditionStep>
  | z.infer<typeof approvalStep>
  | z.infer<typeof workflowStep>;
type Common = Pick<Simple, 'id' | 'title' | 'after' | 'when' | 'retry' | 'onFailure' | 'position'> & {
  timeoutSeconds: number;
};
type MapStep = Common & { kind: 'map'; over: string; concurrency: number; steps: WorkflowStep[] };
type LoopStep = Common & { kind: 'loop'; until: string; maxIterations: number; steps: WorkflowStep[] };
export type WorkflowStep = Simple | MapStep | LoopStep;

const mapStep = z
  .strictObject({
    ...common,
    kind: z.literal('map'),
    over: expression,
    concurrency: z.int().min(1).max(50).default(5),
    get steps() {
      return z.array(workflowStep_).min(1).max(100);
    },
  })
  .meta({ title: 'For each', description: 'Run steps for each item of a list, several at once.' });
const loopStep = z
  .strictObject({
    ...common,
    kind: z.literal('loop'),
    until: expression,
    maxIterations: z.int().min(1).max(1_000),
    get steps() {
      return z.array(workflowStep_).min(1).max(100);
    },
  })
  .meta({
    title: 'Loop',
    description: 'Run steps again and again until an expression is true, at most so many times.',
  });
// Named apart from the type, which zod cannot infer through the getters' recursion.
const workflowStep_: z.ZodType<WorkflowStep, unknown> = z.lazy(() =>
  z.discriminatedUnion('kind', [
    agentStep,
    toolStep,
    conditionStep,
    approvalStep,
    workflowStep,
    mapStep,
    loopStep,
  ]),
);

export const workflowDefinition = z.strictObject({
  /** What a run is given: a JSON Schema it is checked against. */
  inputSchema: z.record(z.string(), z.json()).default({}),
  steps: z.array(workflowStep_).min(1).max(200),
  /** What the run answers: JSON with expressions; absent, the output of the last step. */
  output: z.json().optional(),
  limits: agentLimits.prefault({}),
});
export type WorkflowDefinition = z.infer<typeof workflowDefinition>;
