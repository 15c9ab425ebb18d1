import type {
  FinishReason,
  JSONSchema7,
  LanguageModelUsage,
  ModelMessage,
  OutputInterface,
  ToolSet,
} from 'ai';
import { faultOf, ModelFailure, type Tokens } from '../../policies/model-verdict.ts';
import { faultBehind } from './faults.ts';
import type { Model } from './provider-model.ts';
import { parsed } from './structured.ts';

/** One call of one model, by the `ai` SDK: its own retries are off, its tools are never carried out here. */
export type JsonSchema = Record<string, unknown>;
export type ModelTool = { name: string; description?: string | undefined; inputSchema: JsonSchema };

export type Prompt = {
  system?: string | undefined;
  messages: ModelMessage[];
  tools?: ModelTool[] | undefined;
  /** The answer is to be JSON of this shape. */
  outputSchema?: JsonSchema | undefined;
  temperature?: number | undefined;
  maxOutputTokens?: number | undefined;
};

export type Generated = {
  text: string;
  /** The text as JSON, where an `outputSchema` was given and no tool is called first. */
  output?: unknown;
  /** `input` is a text where the model wrote no JSON. */
  toolCalls: { id: string; name: string; input: unknown }[];
  finish: FinishReason;
  usage: Tokens;
  /** False: the provider did not say what it cost. */
  counted: boolean;
};

type Told = Omit<Generated, 'output' | 'usage' | 'counted'> & {
  rawFinish: string | undefined;
  spent: LanguageModelUsage | undefined;
};

export async function generate(
  model: Model,
  prompt: Prompt,
  { signal, onText }: { signal: AbortSignal; onText?: ((text: string) => void) | undefined },
): Promise<Generated> {
  const told = await tell(model, prompt, { signal, onText });
  signal.throwIfAborted();
  const { rawFinish, spent, ...rest } = told;
  const usage = tokensOf(spent);
  if (rest.finish === 'error') throw new ModelFailure('provider-failed', { usage });
  // A stream that ended without its last event: what came may be half of it.
  if (rest.finish === 'interrupted' || (rest.finish === 'other' && rawFinish === undefined))
    throw new ModelFailure('cut-off', { usage });
  const answer = { ...rest, usage, counted: spent?.inputTokens !== undefined };
  const { outputSchema } = prompt;
  if (!outputSchema || rest.toolCalls.length > 0 || rest.finish !== 'stop') return answer;
  return { ...answer, output: parsed(rest.text, outputSchema, usage) };
}

async function tell(
  model: Model,
  prompt: Prompt,
  { signal, onText }: { signal: AbortSignal; onText?: ((text: string) => void) | undefined },
): Promise<Told> {
  try {
    const settings = await settingsOf(model, prompt, signal);
    return await (onText ? streamed(settings, onText) : atOnce(settings));
  } catch (cause) {
    signal.throwIfAborted();
    throw faultBehind(cause);
  }
}

type Settings = Awaited<ReturnType<typeof settingsOf>>;

async function settingsOf(model: Model, prompt: Prompt, abortSignal: AbortSignal) {
  const { jsonSchema, tool } = await import('ai');
  globalThis.AI_SDK_LOG_WARNINGS = false;
  const { system, messages, outputSchema, temperature, maxOutputTokens } = prompt;
  const tools: ToolSet = Object.fromEntries(
    (prompt.tools ?? []).map(({ name, description = '', inputSchema }) => [
      name,
      tool({ description, inputSchema: jsonSchema(inputSchema as JSONSchema7) }),
    ]),
  );
  return {
    model,
    messages,
    tools,
    abortSignal,
    maxRetries: 0,
    // Memories of other conversations are put before the model as such messages.
    allowSystemInMessages: true,
    experimental_download: downloadNothing,
    ...(system && { instructions: system }),
    ...(outputSchema && { output: asJson(outputSchema) }),
    ...(temperature !== undefined && { temperature }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
  };
}

/** An address in a message would be fetched by the SDK itself, past the egress guard. */
async function downloadNothing(wanted: { url: URL; isUrlSupportedByModel: boolean }[]): Promise<null[]> {
  if (wanted.every(({ isUrlSupportedByModel }) => isUrlSupportedByModel)) return wanted.map(() => null);
  throw faultOf('request-refused');
}

/** Only asks for JSON: the SDK would parse a stream again with every piece of it, and refuse what it cannot parse. */
function asJson(schema: JsonSchema): OutputInterface<undefined, undefined, never> {
  const format = { type: 'json' as const, schema: schema as JSONSchema7 };
  return {
    name: 'object',
    responseFormat: Promise.resolve(format),
    parseCompleteOutput: async () => undefined,
    parsePartialOutput: async () => undefined,
    createElementStreamTransform: () => undefined,
  };
}

async function atOnce(settings: Settings): Promise<Told> {
  const { generateText } = await import('ai');
  const { text, toolCalls, finishReason, rawFinishReason, usage } = await generateText(settings);
  return {
    text,
    toolCalls: toolCalls.map(callOf),
    finish: finishReason,
    rawFinish: rawFinishReason,
    spent: usage,
  };
}

// Some ten times the longest answer of any model; events around it may be as long again, many times over.
const textMax = 4 * 1024 * 1024;

async function streamed(settings: Settings, onText: (text: string) => void): Promise<Told> {
  const { experimental_streamTextLowMemory: streamText } = await import('ai');
  const pieces: string[] = [];
  let length = 0;
  const told: Told = { text: '', toolCalls: [], finish: 'other', rawFinish: undefined, spent: undefined };
  // Without a listener the SDK writes errors, and with them the prompt, to the console.
  const { stream } = streamText({ ...settings, onError: () => {} });
  for await (const part of stream) {
    if (part.type === 'text-delta') {
      length += part.text.length;
      if (length > textMax) throw new ModelFailure('too-large');
      pieces.push(part.text);
      onText(part.text);
    } else if (part.type === 'tool-call') told.toolCalls.push(callOf(part));
    else if (part.type === 'error') throw part.error;
    // One call is one step, so its count is the whole.
    else if (part.type === 'finish-step')
      Object.assign(told, {
        finish: part.finishReason,
        rawFinish: part.rawFinishReason,
        spent: part.usage,
      });
  }
  return { ...told, text: pieces.join('') };
}

const callOf = (call: { toolCallId: string; toolName: string; input: unknown }) => ({
  id: call.toolCallId,
  name: call.toolName,
  input: call.input,
});

function tokensOf(spent: LanguageModelUsage | undefined): Tokens {
  return {
    input: whole(spent?.inputTokens),
    output: whole(spent?.outputTokens),
    cached: whole(spent?.inputTokenDetails.cacheReadTokens),
    reasoning: whole(spent?.outputTokenDetails.reasoningTokens),
  };
}

// Nobody's context is a thousandth of it; what a provider says is still only what it says.
const tokensMax = 1_000_000_000;

function whole(count: number | undefined): number {
  if (count === undefined || !Number.isFinite(count)) return 0;
  return Math.min(tokensMax, Math.max(0, Math.round(count)));
}
