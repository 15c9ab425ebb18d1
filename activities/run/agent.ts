import type { ModelMessage } from 'ai';
import { newId } from '../../models/ids.ts';
import { recall } from '../../models/tenant/memory.ts';
import { type StepRow, stepsAt, stepsBelow } from '../../models/tenant/run-step.ts';
import type { AgentDefinition, AgentTool } from '../../policies/agent-definition.ts';
import { pinned } from '../../policies/run-plan.ts';
import type { ModelAnswer } from '../language-model.ts';
import { type Held, StepFault } from './frame.ts';
import { insistOnTurn, statesAround } from './order.ts';
import { filled, isTrue, locate, scopeOf } from './scope.ts';

/** Who works at a path, on what, and what was said so far: read from the ledger, so that any worker can go on. */
export type Agent = {
  agentId: string;
  version: number | null;
  definition: AgentDefinition;
  depth: number;
  seconds: number;
};

/** What an agent was given when it began: sealed in its own row. */
export type Brief = { prompt: string; conversationId: string; recalled: { role: string; text: string }[] };

/** What a turn of its model left. */
export type Turn = {
  text: string;
  output?: unknown;
  toolCalls: { id: string; name: string; input: unknown }[];
  /** Which model answered, where a restriction put it in the place of another. */
  model?: string;
  instead?: { model: string; restrictionId: string };
};

export const turnOf = ({ text, output, toolCalls, model, instead }: ModelAnswer): Turn => ({
  text,
  output,
  toolCalls,
  ...(instead && { model, instead }),
});

/** `path` is an agent step, or a call that hands off to another agent. */
export async function agentAt(held: Held, path: string): Promise<Agent> {
  const { plan } = held.carried;
  const { step, depth } = locate(plan, path);
  const seconds = step.timeoutSeconds;
  const at = path.lastIndexOf('#');
  if (at < 0) {
    if (step.kind !== 'agent') throw new Error(`bug: a step of kind ${step.kind} is no agent`);
    return { agentId: step.agentId, ...pinned(plan.agents, step.agentId), depth, seconds };
  }
  const caller = await agentAt(held, path.slice(0, at));
  const { tool } = await callAt(held, path, caller.definition);
  if (tool?.kind !== 'hand-off') throw new Error('bug: a call that hands off to nobody');
  return { agentId: tool.agentId, ...pinned(plan.agents, tool.agentId), depth, seconds };
}

export type Call = { id: string; name: string; input: unknown; tool: AgentTool | undefined };

/** The call a path such as `draft#2.0` names, as the turn asked for it; no tool when there is none of that name. */
export async function callAt(held: Held, path: string, { tools }: AgentDefinition): Promise<Call> {
  const dot = path.lastIndexOf('.');
  const turnPath = path.slice(0, dot);
  const row = (await stepsAt(held.sql, held.keyring, held.run.id, [turnPath])).get(turnPath);
  const call = (row?.output as Turn | undefined)?.toolCalls[Number(path.slice(dot + 1))]; // written by turn.ts
  if (!call) throw new Error('bug: nobody asked for this call');
  return { ...call, tool: tools.find((tool) => tool.name === call.name) };
}

/** What an agent begins with; undefined when its step's condition says that it does not. */
export async function briefFor(held: Held, path: string, agent: Agent): Promise<Brief | undefined> {
  const { sql, keyring, run } = held;
  const { prompt, conversationId } = (await givenTo(held, path)) ?? {};
  if (prompt === undefined) return undefined;
  const { recall: scope, items } = agent.definition.memory;
  const known = conversationId ?? run.conversation_id ?? undefined;
  const { agentId } = agent;
  const nothing = scope === 'none' || (scope === 'conversation' && known === undefined);
  const memories = nothing
    ? []
    : await recall(sql, keyring, {
        agentId,
        limit: items,
        ...(scope === 'conversation' && known !== undefined && { conversationId: known }),
      });
  const recalled = memories.map(({ role, text }) => ({ role, text }));
  return { prompt, conversationId: known ?? newId('con'), recalled };
}

type Given = { prompt: string; conversationId?: string | undefined };

async function givenTo(held: Held, path: string): Promise<Given | undefined> {
  const located = locate(held.carried.plan, path);
  const { step } = located;
  const at = path.lastIndexOf('#');
  if (at >= 0) {
    const caller = await agentAt(held, path.slice(0, at));
    return { prompt: promptIn((await callAt(held, path, caller.definition)).input) };
  }
  if (step.kind !== 'agent') throw new Error(`bug: a step of kind ${step.kind} is no agent`);
  insistOnTurn(located, await statesAround(held, located, path));
  const scope = await scopeOf(held, located, step);
  if (!isTrue(step.when, scope)) return undefined;
  const conversation = step.conversation === undefined ? undefined : filled(step.conversation, scope);
  if (conversation !== undefined && !/^con_[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(conversation))
    throw new StepFault('expression', 'The conversation of an agent step has to be an id like con_….');
  return { prompt: filled(step.prompt, scope), conversationId: conversation };
}

/** What a model hands to another agent: `{ "prompt": "…" }`, as the tool's schema says. */
function promptIn(input: unknown): string {
  if (typeof input === 'object' && input !== null && 'prompt' in input && typeof input.prompt === 'string')
    return input.prompt;
  return JSON.stringify(input ?? '');
}

/** The conversation as the model is to see it, and what it has cost so far. */
export async function saidSoFar(
  { sql, keyring, run }: Held,
  path: string,
  brief: Brief,
): Promise<{ messages: ModelMessage[]; rows: StepRow[] }> {
  const below = await stepsBelow(sql, keyring, run.id, `${path}#`);
  const rows = below.filter((row) => !row.path.slice(path.length + 1).includes('#'));
  const turns = rows.filter((row) => row.kind === 'turn' && row.state === 'done');
  const numbered = turns.map((row) => ({ row, at: Number(row.path.slice(path.length + 1)) }));
  const messages = numbered
    .toSorted((one, other) => one.at - other.at)
    .flatMap(({ row }) => turnMessages(row, rows));
  return {
    messages: [...brief.recalled.flatMap(remembered), { role: 'user', content: brief.prompt }, ...messages],
    rows,
  };
}

function remembered({ role, text }: { role: string; text: string }): ModelMessage[] {
  if (role === 'user' || role === 'assistant') return [{ role, content: text }];
  return [{ role: 'user', content: `(remembered: ${text})` }];
}

function turnMessages(row: StepRow, rows: StepRow[]): ModelMessage[] {
  const { text, toolCalls } = row.output as Turn; // written by turn.ts
  if (toolCalls.length === 0) return [{ role: 'assistant', content: text }];
  return [
    {
      role: 'assistant',
      content: [
        ...(text === '' ? [] : [{ type: 'text' as const, text }]),
        ...toolCalls.map(({ id, name, input }) => ({
          type: 'tool-call' as const,
          toolCallId: id,
          toolName: name,
          input,
        })),
      ],
    },
    {
      role: 'tool',
      content: toolCalls.map(({ id, name }, index) => ({
        type: 'tool-result' as const,
        toolCallId: id,
        toolName: name,
        output: { type: 'text' as const, value: resultOf(rows, `${row.path}.${index}`) },
      })),
    },
  ];
}

function resultOf(rows: StepRow[], path: string): string {
  const row = rows.find((each) => each.path === path);
  if (row?.state === 'done') return JSON.stringify(row.output ?? null);
  return JSON.stringify({ error: row?.refusal ?? 'no result' });
}
