/**
 * What a call of a model can use at most, before it is made. No tokenizer makes more tokens than there are bytes; around
 * what is asked, providers put words of their own, which are counted too.
 */
export type TokenBound = { input: number; output: number };

/** Where nobody says how long an answer may be: longer than almost all are, and short enough for many to run at once. */
const outputTokensUsual = 8_192;
/** An answer cut shorter than this is of no use, so it is not begun. */
const outputTokensLeast = 64;

const aroundCall = 64;
const aroundMessage = 16;
// The longest of any provider's own instructions on how to call tools.
const aroundTools = 1_024;

export type Asked = {
  system?: string | undefined;
  messages: readonly unknown[];
  tools?: readonly unknown[] | undefined;
  outputSchema?: unknown;
  maxOutputTokens?: number | undefined;
};

export function tokenBound({
  system,
  messages,
  tools = [],
  outputSchema,
  maxOutputTokens,
}: Asked): TokenBound {
  const said = JSON.stringify([system, messages, tools, outputSchema]);
  const around =
    aroundCall +
    aroundMessage * messages.length +
    (tools.length > 0 || outputSchema !== undefined ? aroundTools : 0);
  return { input: Buffer.byteLength(said) + around, output: maxOutputTokens ?? outputTokensUsual };
}

export const leastOutput = (wanted: number): number => Math.min(wanted, outputTokensLeast);

export type Room = {
  /** Of what the run may use, what it has not used. */
  left: number;
  /** Of that, what others of the same run may be using at this moment. */
  held: number;
};

/** How long an answer may be; `wait` while others may yet leave enough; `refuse` when nothing can. */
export function outputWithin(
  { left, held }: Room,
  { input, output }: TokenBound,
): number | 'wait' | 'refuse' {
  if (input + leastOutput(output) > left) return 'refuse';
  const wanted = Math.min(output, left - input);
  return wanted <= left - held - input ? wanted : 'wait';
}
