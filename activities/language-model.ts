import { inTenant } from '../models/scope.ts';
import { onlyProvider } from '../models/tenant/llm-provider.ts';
import { settingsOf } from '../models/tenant/settings.ts';
import { isTheProviders, ModelFailure, verdictOf, worthier } from '../policies/model-verdict.ts';
import { Refusal } from '../policies/refusal.ts';
import type { Settings } from '../policies/setting-inheritance.ts';
import { tokenBound } from '../policies/token-bound.ts';
import { egressOf } from './egress/egress.ts';
import { egressRulesIn } from './egress/rules.ts';
import { type Accounting, plainAccounting } from './llm/accounting.ts';
import { type Affordable, affordable, sayingInstead } from './llm/affordable.ts';
import { type Generated, generate, type Prompt } from './llm/generation.ts';
import {
  type Borrower,
  type Instead,
  type Lease,
  type Located,
  lease,
  principalOf,
  settle,
} from './llm/lease.ts';
import { modelOf } from './llm/provider-model.ts';
import { redacted } from './llm/redaction.ts';
import { timed } from './llm/timed.ts';

/**
 * A call of a language model: of the provider that is named, or of the organisation's default; then of its fallbacks,
 * as long as it is the provider that fails. Throws a Refusal for what the organisation can mend, a ModelFailure for
 * what may be called again; both hold sentences of our own only. Each attempt is a row in llm_uses.
 */
export type ModelCall = Prompt & {
  providerId?: string | undefined;
  model: string;
  usedBy: Borrower;
  /** Who keeps its accounts, if it is part of something greater. */
  accounting?: Accounting | undefined;
};

export type ModelAnswer = Omit<Generated, 'counted'> & {
  providerId: string;
  model: string;
  instead?: Instead;
};

export type Calling = {
  signal: AbortSignal;
  /** Has the answer streamed, and is given it piece by piece. */
  onText?: ((text: string) => void) | undefined;
  /** Less than the provider may take. */
  secondsMax?: number;
};

export async function callModel(place: Located, asked: ModelCall, calling: Calling): Promise<ModelAnswer> {
  const settings = await settingsOf(place, agentOf(asked));
  const call = await affordable(place, asked);
  const [first, ...fallbacks] = await orderOf(place, call, settings);
  const prompt = redacted(call, settings);
  let spoken = false;
  const { onText } = calling;
  const told: Calling = {
    ...calling,
    ...(onText && {
      onText: (text: string) => {
        spoken = true;
        onText(text);
      },
    }),
  };
  const ask = (providerId: string) => askProvider(place, { ...call, ...prompt, providerId }, settings, told);
  let failure: unknown;
  try {
    return await ask(first);
  } catch (thrown) {
    failure = thrown;
  }
  for (const providerId of fallbacks) {
    // Words that were heard cannot be taken back, so another provider must not begin anew.
    if (spoken || !isTheProviders(failure)) break;
    try {
      return await ask(providerId);
    } catch (thrown) {
      failure = worthier(failure, thrown);
    }
  }
  throw sayingInstead(failure, call);
}

const agentOf = ({ usedBy: { agentId } }: ModelCall) => (agentId ? { agentId } : {});

async function orderOf(
  place: Located,
  { providerId, usedBy: { purpose } }: ModelCall,
  settings: Settings,
): Promise<[string, ...string[]]> {
  const first =
    providerId ??
    settings.get('llm.defaultProvider') ??
    (await inTenant(place, ({ sql }) => onlyProvider(sql)));
  if (!first)
    throw new Refusal(
      'unprocessable',
      'No model provider is named; name one in the agent, or set llm.defaultProvider.',
    );
  // A test is of this provider and no other.
  if (purpose === 'test') return [first];
  return [first, ...settings.get('llm.fallbackProviders').filter((each) => each !== first)];
}

type Directed = Affordable & { providerId: string };

/** With the credential of today, and where the provider refuses that one, with the one it replaces. */
async function askProvider(
  place: Located,
  call: Directed,
  settings: Settings,
  calling: Calling,
): Promise<ModelAnswer> {
  const refused: number[] = [];
  for (;;) {
    const { providerId, model, usedBy: borrower, instead, accounting = plainAccounting(borrower) } = call;
    const wanted = { providerId, model, borrower, settings, refused, instead, accounting };
    const held = await lease(place, { ...wanted, bound: tokenBound(call) });
    const bounded = { ...call, accounting, maxOutputTokens: held.outputTokens };
    try {
      return await attempt(place, bounded, held, { settings, calling });
    } catch (thrown) {
      if (!held.credential || !held.more || verdictOf(thrown) !== 'credential-refused') throw thrown;
      refused.push(held.credential.number);
    }
  }
}

type Means = { settings: Settings; calling: Calling };

/** One call with one credential, written down whatever becomes of it. */
async function attempt(
  place: Located,
  call: Directed & { accounting: Accounting },
  held: Lease,
  { settings, calling }: Means,
): Promise<ModelAnswer> {
  const started = performance.now();
  const end = (outcome: string, tokens: Generated['usage'] | undefined) => {
    const milliseconds = Math.round(performance.now() - started);
    return settle(place, held, { outcome, tokens, milliseconds }, call.accounting);
  };
  try {
    const { counted, ...generated } = await timed(held, calling, (signal) =>
      asked(place, call, held, { settings, calling: { ...calling, signal } }),
    );
    await end('answered', counted ? generated.usage : undefined);
    const { instead } = call;
    return { ...generated, providerId: held.provider.id, model: held.model, ...(instead && { instead }) };
  } catch (thrown) {
    const cancelled = calling.signal.aborted ? 'cancelled' : undefined;
    const usage = thrown instanceof ModelFailure ? thrown.usage : undefined;
    await end(cancelled ?? verdictOf(thrown) ?? (thrown instanceof Refusal ? 'refused' : 'failed'), usage);
    throw thrown;
  }
}

async function asked(
  place: Located,
  call: Directed,
  { provider, model, credential }: Lease,
  { settings, calling }: Means,
): Promise<Generated> {
  const totalMs = provider.timeoutSeconds * 1000;
  const egress = egressOf(
    place,
    { actor: principalOf(place, call.usedBy), subject: { type: 'LlmProvider', id: provider.id } },
    egressRulesIn(settings),
    {
      limits: {
        totalMs,
        idleMs: calling.onText ? Math.min(silenceMsMax, totalMs) : totalMs,
        responseBytesMax: calling.onText ? streamBytesMax : answerBytesMax,
      },
    },
  );
  const spoken = await modelOf(
    {
      ...provider,
      credential: credential?.secret,
      fetch: (input, init) => egress.fetch(input instanceof Request ? input.url : input, init),
    },
    model,
  );
  return generate(spoken, call, calling);
}

// The longest answers of today's models are some hundred kB. An answer at once is in memory several times over; of a
// stream, whose events are many times its text, only the text is kept (activities/llm/generation.ts).
const answerBytesMax = 4 * 1024 * 1024;
const streamBytesMax = 64 * 1024 * 1024;
// A model that thinks sends signs of life, where it sends its answer in pieces.
const silenceMsMax = 120_000;
