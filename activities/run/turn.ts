import type { ModelMessage } from 'ai';
import { changeRun } from '../../models/tenant/held-run.ts';
import { remember } from '../../models/tenant/memory.ts';
import { beginStep, endStep, stepsAt } from '../../models/tenant/run-step.ts';
import type { Principal } from '../../policies/principal.ts';
import type { CallKind, Outcome } from '../../policies/run-plan.ts';
import { activity } from '../activity.ts';
import { callModel, type ModelCall } from '../language-model.ts';
import { type Agent, agentAt, type Brief, briefFor, saidSoFar, type Turn, turnOf } from './agent.ts';
import {
  enter,
  failStep,
  faultOf,
  type Held,
  inRun,
  insistSmall,
  patience,
  type RunPlace,
  type RunStep,
  refuseToBegin,
  StepFault,
  settledBefore,
  standsStill,
} from './frame.ts';
import { skipStep } from './skip.ts';
import { toolsFor } from './tools.ts';
import { onceTokensAreFree, turnAccounting } from './turn-tokens.ts';
import { insistOwnLimits, insistWithin } from './within.ts';

/** One turn of an agent's model. Its answer and what it cost are recorded together, once. */
export type TurnInput = RunStep & {
  /** The agent's; the turn's own is `path#turn`. */
  path: string;
  turn: number;
  number: number;
  attempt: number;
  attempts: number;
};

type Ready = { place: RunPlace; agent: Agent; brief: Brief; messages: ModelMessage[] };

export const takeTurn = activity(['start', 'Run'], async (input: TurnInput, by): Promise<Outcome> => {
  const ready = await inRun(input, (held, place) => prepared(held, input, place));
  if ('state' in ready) return ready;
  const { signal, late } = patience(ready.agent.seconds);
  const own = { ...input, path: turnPath(input) };
  const prompt = promptOf(ready, input, by);
  try {
    const answer = await onceTokensAreFree(() => callModel(ready.place, prompt, { signal }), signal);
    const turn = turnOf(answer);
    insistSmall(turn);
    return await inRun(input, (held) => recorded(held, input, ready, turn));
  } catch (error) {
    const outcome = await failStep(own, faultOf(error, late));
    if (outcome.state === 'failed' && !outcome.again) await failAgent(input, outcome.code);
    return outcome;
  }
});

const turnPath = ({ path, turn }: TurnInput): string => `${path}#${turn}`;

async function prepared(held: Held, input: TurnInput, place: RunPlace): Promise<Ready | Outcome> {
  const { path, number } = input;
  const whole = await settledBefore(held, path);
  if (whole) return whole.state === 'skipped' ? { state: 'skipped' } : { state: 'done' };
  const before = await settledBefore(held, turnPath(input));
  const agent = await agentAt(held, path);
  if (before) return { state: 'done', calls: callsOf(before.output as Turn, agent) }; // written by `recorded`
  if (standsStill(held.run)) return { state: 'held' };
  const { agentId, version } = agent;
  const kind = path.includes('#') ? 'call' : 'agent';
  const row = { path, number, kind, agentId, version } as const;
  try {
    const brief = await beganWith(held, row, agent);
    if (!brief) return await skipStep(held, row);
    const { messages, rows } = await saidSoFar(held, path, brief);
    const own = turnPath(input);
    await insistWithin(held, own);
    insistOwnLimits(
      agent,
      rows.filter((each) => each.path !== own),
    );
    await enter(held, { path: own, number, kind: 'turn', agentId, version }, true);
    return { place, agent, brief, messages };
  } catch (error) {
    return refuseToBegin(held, row, error);
  }
}

type AgentRow = {
  path: string;
  number: number;
  kind: 'call' | 'agent';
  agentId: string;
  version: number | null;
};

/** The first turn writes down what the agent was given; the others find it. */
async function beganWith(held: Held, row: AgentRow, agent: Agent): Promise<Brief | undefined> {
  const { sql, keyring, run } = held;
  const known = (await stepsAt(sql, keyring, run.id, [row.path])).get(row.path);
  if (known?.input !== undefined && known.state === 'running') return known.input as Brief; // written just below
  if (agent.depth > run.limits.depth)
    throw new StepFault(
      'limit-depth',
      `Workflows and agents may be ${run.limits.depth} deep in one another.`,
    );
  const brief = await briefFor(held, row.path, agent);
  if (!brief) return undefined;
  await beginStep(sql, keyring, run.id, { ...row, input: brief });
  return brief;
}

function promptOf({ agent, messages }: Ready, input: TurnInput, by: Principal): ModelCall {
  const { agentId, definition } = agent;
  const { runId, path: agentPath } = input;
  const { providerId, model, instructions, temperature, maxOutputTokens, outputSchema, limits } = definition;
  const turn = { path: turnPath(input), agentPath, agentTokens: limits.tokens };
  return {
    providerId,
    model,
    temperature,
    outputSchema,
    system: instructions === '' ? undefined : instructions,
    messages,
    tools: toolsFor(definition),
    maxOutputTokens,
    usedBy: { principalId: by.id, agentId, runId },
    accounting: turnAccounting(runId, agentId, turn),
  };
}

async function recorded(held: Held, input: TurnInput, ready: Ready, turn: Turn): Promise<Outcome> {
  const { sql, keyring, run } = held;
  const path = turnPath(input);
  const before = await settledBefore(held, path);
  if (before) return { state: 'done', calls: callsOf(before.output as Turn, ready.agent) };
  // What it cost was counted when the provider had answered (turn-tokens.ts), whatever becomes of the answer.
  await endStep(sql, keyring, run.id, { path, state: 'done', output: turn });
  const last = turn.toolCalls.length === 0;
  const output = turn.output ?? turn.text;
  if (last) await closeAgent(held, input, ready, { turn, output });
  await changeRun(sql, keyring, run, {
    events: [
      {
        kind: 'model.answered',
        path,
        data: {
          text: turn.text,
          tools: turn.toolCalls.map(({ name }) => name),
          ...(turn.instead && { model: turn.model, instead: turn.instead }),
        },
      },
      ...(last ? [{ kind: 'step.done' as const, path: input.path, data: { output } }] : []),
    ],
  });
  return { state: 'done', calls: callsOf(turn, ready.agent) };
}

/** The agent is done with its last turn; what was asked and answered is remembered with it. */
async function closeAgent(
  { sql, keyring, run }: Held,
  { path }: TurnInput,
  { agent, brief }: Ready,
  { turn, output }: { turn: Turn; output: unknown },
): Promise<void> {
  await endStep(sql, keyring, run.id, { path, state: 'done', output });
  const { agentId, definition } = agent;
  if (definition.memory.recall === 'none') return;
  const { conversationId } = brief;
  const about = { agentId, conversationId, runId: run.id, ownerId: run.owner_id };
  const key = (role: string) => ({ idempotencyKey: `${run.id}/${path}/${role}` });
  await remember(sql, keyring, { ...about, role: 'user', text: brief.prompt, ...key('user') });
  if (turn.text !== '')
    await remember(sql, keyring, { ...about, role: 'assistant', text: turn.text, ...key('assistant') });
}

/** An agent whose turn failed for good has failed for the same reason. */
async function failAgent(
  input: TurnInput,
  code: Extract<Outcome, { state: 'failed' }>['code'],
): Promise<void> {
  await inRun(input, async ({ sql, keyring, run }) => {
    const turn = (await stepsAt(sql, keyring, run.id, [turnPath(input)])).get(turnPath(input));
    await endStep(sql, keyring, run.id, { path: input.path, state: 'failed', code, refusal: turn?.refusal });
  });
}

function callsOf({ toolCalls }: Turn, { definition }: Agent): CallKind[] {
  return toolCalls.map(({ name }) =>
    definition.tools.some((tool) => tool.name === name && tool.kind === 'hand-off') ? 'hand-off' : 'call',
  );
}
