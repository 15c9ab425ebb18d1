import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

/**
 * What the demo server answers: no model, but rules, so that the same question always has the same answer. Lines of
 * the instructions and of the last thing the user said steer it; docs/llm-providers.md lists them.
 */
const content = z.union([z.string(), z.null(), z.array(z.looseObject({ text: z.string().optional() }))]);
const message = z.looseObject({ role: z.string(), content: content.optional() });

export const chatRequest = z.looseObject({
  model: z.string(),
  messages: z.array(message).min(1),
  stream: z.boolean().optional(),
  max_tokens: z.int().optional(),
  max_completion_tokens: z.int().optional(),
  tools: z.array(z.looseObject({ function: z.looseObject({ name: z.string() }) })).optional(),
  response_format: z
    .looseObject({
      type: z.string(),
      json_schema: z.looseObject({ schema: z.record(z.string(), z.unknown()).optional() }).optional(),
    })
    .optional(),
});
export type ChatRequest = z.infer<typeof chatRequest>;

export type DemoAnswer = {
  text: string;
  call: { id: string; name: string; input: string } | undefined;
  /** Asked for by `fail:`. */
  status: number;
  /** It was longer than it may be. */
  cut: boolean;
  waitMs: number;
  /** Between two pieces of a stream. */
  paceMs: number;
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
};

type Directive = { word: string; rest: string };
const directive = /^[ \t]*(call|say|json|wait|pace|fail):[ \t]*(\S[^\r\n]*)$/gm;
// A run must not be made to wait here for longer than its provider may take.
const waitMsMax = 120_000;

export function answerOf(request: ChatRequest): DemoAnswer {
  const { messages, tools = [] } = request;
  const asked = messages.findLastIndex(({ role }) => role === 'user');
  const steering = [
    ...messages.filter(({ role }) => role === 'system' || role === 'developer'),
    ...messages.slice(asked, asked + 1),
  ];
  const lines = steering.flatMap((each) => directivesIn(textOf(each)));
  const of = (word: string) => lines.filter((line) => line.word === word).map(({ rest }) => rest);
  const results = messages.slice(asked + 1).filter(({ role }) => role === 'tool');
  const known = new Set(tools.map((tool) => tool.function.name));
  const calls = of('call')
    .map(callOf)
    .filter(({ name }) => known.has(name));
  const next = calls[results.length];
  const number = messages.filter(({ role }) => role === 'tool').length + 1;
  const call = next && { id: `call_${number}`, ...next };
  const whole = call ? '' : textFor(request, { asked, results: results.map(textOf), of });
  const most = request.max_completion_tokens ?? request.max_tokens ?? Number.POSITIVE_INFINITY;
  const text = whole.slice(0, most * charactersEach);
  const prompt = tokensIn(messages.map(textOf).join('\n'));
  const completion = tokensIn(call ? call.name + call.input : text);
  return {
    text,
    call,
    cut: text.length < whole.length,
    status: Number(/^[45]\d\d$/.exec(of('fail')[0] ?? '')?.[0] ?? 200),
    waitMs: millisecondsOf(of('wait')[0]),
    paceMs: millisecondsOf(of('pace')[0]),
    usage: { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
  };
}

type Asked = { asked: number; results: string[]; of: (word: string) => string[] };

function textFor({ messages, response_format: format }: ChatRequest, { asked, results, of }: Asked): string {
  const [given] = of('json');
  if (given !== undefined) return given;
  const schema = format?.json_schema?.schema;
  if (format && format.type !== 'text') return JSON.stringify(schema ? exampleOf(schema) : {});
  const said = of('say');
  if (said.length > 0) return said.join('\n');
  const last = messages[asked];
  const words = last ? textOf(last).replaceAll(directive, '').trim() : '';
  return [
    `The demo server was told: ${words}`,
    ...results.map((result) => `A tool answered: ${result}`),
  ].join('\n');
}

function directivesIn(text: string): Directive[] {
  return [...text.matchAll(directive)].map(([, word = '', rest = '']) => ({ word, rest: rest.trimEnd() }));
}

function textOf({ content: said }: z.infer<typeof message>): string {
  if (typeof said === 'string') return said;
  return (said ?? []).map(({ text = '' }) => text).join('\n');
}

/** `toolName {json}`; without arguments an empty object. */
function callOf(rest: string): { name: string; input: string } {
  const [, name = '', input = ''] = /^(\S+)\s*(.*)$/.exec(rest) ?? [];
  return { name, input: input === '' ? '{}' : input };
}

function millisecondsOf(text = ''): number {
  const [, amount, unit] = /^(\d{1,6})(ms|s)$/.exec(text) ?? [];
  return Math.min(waitMsMax, Number(amount ?? 0) * (unit === 's' ? 1000 : 1));
}

/** A rule of thumb. */
const charactersEach = 4;
const tokensIn = (text: string) => Math.ceil(text.length / charactersEach);

const depthMax = 8;

/** The plainest value of the shape that was asked for. */
function exampleOf(schema: unknown, depth = 0): unknown {
  const { type, properties, items, minItems, enum: values, const: fixed, minimum } = shapeOf(schema);
  if (fixed !== undefined) return fixed;
  if (values && values.length > 0) return values[0];
  const kind = Array.isArray(type) ? type[0] : type;
  if (depth > depthMax) return null;
  if (kind === 'object' || properties)
    return Object.fromEntries(
      Object.entries(properties ?? {}).map(([name, each]) => [name, exampleOf(each, depth + 1)]),
    );
  if (kind === 'array')
    return Array.from({ length: Math.min(minItems ?? 1, 100) }, () => exampleOf(items, depth + 1));
  if (kind === 'number' || kind === 'integer') return minimum ?? 0;
  if (kind === 'boolean') return true;
  return kind === 'null' ? null : 'demo';
}

/** Keywords of a shape that is not theirs are passed over. */
const schemaShape = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  minItems: z.int().min(0).optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  minimum: z.number().optional(),
});

function shapeOf(schema: unknown): z.infer<typeof schemaShape> {
  const read = schemaShape.safeParse(schema);
  return read.success ? read.data : {};
}

/** As long as it was asked to take, but no longer than anybody listens. */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal });
}
