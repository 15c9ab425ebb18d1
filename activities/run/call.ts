import { whyRestricted } from '../../models/tenant/acting.ts';
import { remember } from '../../models/tenant/memory.ts';
import { searchMemory } from '../../models/tenant/memory-search.ts';
import { stepsAt } from '../../models/tenant/run-step.ts';
import type { AgentTool } from '../../policies/agent-definition.ts';
import type { Principal } from '../../policies/principal.ts';
import { inputFaults } from '../../policies/run-input.ts';
import type { Outcome } from '../../policies/run-plan.ts';
import { activity } from '../activity.ts';
import { callIntegration, type IntegrationCall } from '../integration-call.ts';
import { type Agent, agentAt, type Brief, type Call, callAt } from './agent.ts';
import {
  enter,
  failStep,
  faultOf,
  finish,
  type Held,
  inRun,
  insistSmall,
  patience,
  type RunPlace,
  type RunStep,
  refuseToBegin,
  settledBefore,
  standsStill,
} from './frame.ts';
import { meterTool } from './metering.ts';
import { effectKey } from './step.ts';
import { toolSchemas } from './tools.ts';
import { insistWithin } from './within.ts';

/**
 * One tool that a model asked for. What the tool refuses is an answer to the model, which may try something else; only
 * limits, and a tool that cannot be reached however often it is tried, come back as failures.
 */
export type CallInput = RunStep & { path: string; number: number; attempt: number; attempts: number };
type Ready = { place: RunPlace; call: IntegrationCall; seconds: number };
type IntegrationTool = Extract<AgentTool, { kind: 'integration' }>;

export const takeCall = activity(['start', 'Run'], async (input: CallInput, by): Promise<Outcome> => {
  const ready = await inRun(input, (held, place) => prepared(held, input, { place, by }));
  if ('state' in ready) return ready;
  const { signal, late } = patience(ready.seconds);
  try {
    const { status, body } = await callIntegration(ready.place, ready.call, { signal });
    insistSmall(body);
    return await inRun(input, (held) => finish(held, input.path, { status, body }));
  } catch (error) {
    const fault = faultOf(error, late);
    if (fault.again && input.attempt < input.attempts) return failStep(input, fault);
    return inRun(input, (held) => finish(held, input.path, { error: fault.refusal }));
  }
});

type About = { place: RunPlace; by: Principal };

async function prepared(held: Held, input: CallInput, about: About): Promise<Ready | Outcome> {
  const { path, number } = input;
  if (await settledBefore(held, path)) return { state: 'done' };
  if (standsStill(held.run)) return { state: 'held' };
  const agentPath = path.slice(0, path.lastIndexOf('#'));
  const agent = await agentAt(held, agentPath);
  const { agentId, version } = agent;
  const row = { path, number, kind: 'call', agentId, version } as const;
  try {
    await insistWithin(held, path);
    const call = await callAt(held, path, agent.definition);
    const begun = await enter(held, { ...row, input: { name: call.name, input: call.input } }, true);
    const { effect } = begun;
    const wrong = faultIn(call);
    if (wrong) return await finish(held, path, { error: wrong });
    const { tool } = call;
    await meterTool(held, row, begun, tool?.kind === 'integration' ? 'integration' : 'memory');
    if (tool?.kind === 'integration') {
      const asked = requestOf(tool, argumentsOf(call));
      const idempotencyKey = effectKey(input.runId, path, effect);
      const usedBy = { principal: about.by, agentId, runId: input.runId };
      return { place: about.place, seconds: agent.seconds, call: { ...asked, idempotencyKey, usedBy } };
    }
    return await finish(held, path, await remembering(held, call, { agentPath, agent }));
  } catch (error) {
    return refuseToBegin(held, row, error);
  }
}

/** What is wrong with a call, for the model to mend. */
function faultIn({ name, tool, input }: Call): string | undefined {
  if (!tool) return `There is no tool called ${name}.`;
  const schema =
    tool.kind === 'integration'
      ? tool.inputSchema
      : tool.kind === 'memory'
        ? toolSchemas[tool.access]
        : toolSchemas.handOff;
  const faults = inputFaults(schema, input);
  if (faults.length === 0) return undefined;
  return `The input is not acceptable: ${faults.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ')}`;
}

function argumentsOf({ input }: Call): Record<string, unknown> {
  return typeof input === 'object' && input !== null ? { ...input } : {};
}

/** Arguments named in the path go there; the rest is the query of a GET, and the body of everything else. */
function requestOf(
  { integrationId, method, path }: IntegrationTool,
  given: Record<string, unknown>,
): Pick<IntegrationCall, 'integrationId' | 'method' | 'path' | 'query' | 'body'> {
  const used = new Set<string>();
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    used.add(name);
    return encodeURIComponent(textOf(given[name]));
  });
  const rest = Object.entries(given).filter(([name]) => !used.has(name));
  const more =
    method === 'GET' || method === 'DELETE'
      ? { query: Object.fromEntries(rest.map(([name, value]) => [name, textOf(value)])) }
      : { body: Object.fromEntries(rest) };
  return { integrationId, method, path: filled, ...more };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value ?? ''));

type Remembering = { agentPath: string; agent: Agent };

async function remembering(
  { sql, keyring, run }: Held,
  { tool, ...call }: Call,
  { agentPath, agent: { agentId, definition } }: Remembering,
): Promise<unknown> {
  if (tool?.kind !== 'memory') throw new Error('bug: a call that is neither of a tool nor of memory');
  const given = argumentsOf({ ...call, tool });
  if (tool.access === 'read') {
    const found = await searchMemory(sql, keyring, {
      agentId,
      query: textOf(given.query),
      limit: definition.memory.items,
    });
    const memories = found.map(({ memory: { role, text } }) => ({ role, text }));
    insistSmall(memories);
    return { memories };
  }
  // Where nothing more may be kept, the model is told, and goes on without.
  const refusal = await whyRestricted(sql, 'keep a memory', { principalId: run.principal.id, agentId });
  if (refusal) return { error: refusal.message };
  const row = (await stepsAt(sql, keyring, run.id, [agentPath])).get(agentPath);
  if (!row) throw new Error('bug: an agent calls before it has begun');
  const { conversationId } = row.input as Brief; // written by turn.ts before any call
  const idempotencyKey = `${run.id}/${agentPath}/${call.id}`;
  const text = textOf(given.text);
  const about = { agentId, conversationId, runId: run.id, ownerId: run.owner_id };
  await remember(sql, keyring, { ...about, role: 'note', text, idempotencyKey });
  return { remembered: true };
}
