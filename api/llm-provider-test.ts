import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import { placeOf } from '../models/system/tenant.ts';
import { modelVerdicts, verdictOf } from '../policies/model-verdict.ts';
import { Refusal } from '../policies/refusal.ts';

/** A test of a model provider: one short question, and a coarse verdict that tells nothing of what lies behind. */
export const llmTest = z
  .object({
    verdict: z.enum(['works', 'not-allowed', ...modelVerdicts]),
    detail: z.string(),
    model: z.string(),
    tokens: z
      .object({ input: z.int(), output: z.int(), cached: z.int(), reasoning: z.int() })
      .nullable()
      .meta({ description: 'What the test cost, as the provider counted it.' }),
    milliseconds: z.int(),
  })
  .meta({ id: 'LlmTest' });

const asked = z.strictObject({ providerId: z.string(), model: z.string(), principalId: z.string() });

/** Longer than this nobody waits for an answer over HTTP. */
const secondsMax = 20;
const question = 'Answer with one word: ready';

export function modelToTest(row: Row, given: string | undefined): string {
  // Written by the shape of the body.
  const { models, aliases } = row as { models: string[] | null; aliases: Record<string, string> };
  const model = given ?? models?.[0] ?? Object.keys(aliases)[0] ?? (row.kind === 'demo' ? 'demo' : undefined);
  if (model) return model;
  const detail = 'must be given: the provider names no models of its own';
  throw new Refusal('invalid-request', 'Say which model is to be asked.', {
    errors: [{ pointer: '/model', code: 'not-acceptable', detail }],
  });
}

export async function carryOut(
  tenantId: string | undefined,
  test: unknown,
): Promise<z.infer<typeof llmTest>> {
  const { providerId, model, principalId } = asked.parse(test);
  const place = tenantId && (await placeOf(tenantId));
  if (!place) throw new Error('a test was allowed in a tenant that has no place');
  // Loaded with the first test: most API processes never make one.
  const { callModel } = await import('../activities/language-model.ts');
  const started = performance.now();
  const since = () => Math.round(performance.now() - started);
  const usedBy = { principalId, purpose: 'test' as const };
  const call = { providerId, model, usedBy, maxOutputTokens: 16 };
  try {
    const answer = await callModel(
      place,
      { ...call, messages: [{ role: 'user', content: question }] },
      { signal: new AbortController().signal, secondsMax },
    );
    const detail = 'The provider answered.';
    return { verdict: 'works', detail, model: answer.model, tokens: answer.usage, milliseconds: since() };
  } catch (thrown) {
    const verdict = verdictOf(thrown);
    const refused = thrown instanceof Refusal && thrown.code !== 'unavailable';
    if (!(thrown instanceof Error) || !(verdict || refused)) throw thrown;
    return {
      verdict: verdict ?? 'not-allowed',
      detail: thrown.message,
      model,
      tokens: null,
      milliseconds: since(),
    };
  }
}
