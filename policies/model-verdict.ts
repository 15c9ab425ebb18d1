import { Refusal } from './refusal.ts';

/**
 * How a call of a model can end, coarsely: the words of a provider are neither stored nor shown, for they may repeat
 * the prompt or the credential. What the organisation can mend is a refusal; what only time or the provider can is a
 * failure, and the call may be made again.
 */
const verdicts = {
  'credential-refused': {
    mend: true,
    detail: 'The provider does not accept the credential; rotate it, or give it the rights it lacks.',
  },
  'quota-exhausted': {
    mend: true,
    detail: 'The provider says that the quota or balance of this account is used up; raise it there.',
  },
  'model-unknown': {
    mend: true,
    detail: 'The provider does not know this model at this address; check the model and the base URL.',
  },
  'request-refused': {
    mend: true,
    detail: 'The provider refuses the request as it is; check that this model can do what is asked of it.',
  },
  'too-long': {
    mend: true,
    detail: 'The conversation is longer than the model takes; shorten it or use another model.',
  },
  'rate-limited': { mend: false, detail: 'The provider asks to slow down.' },
  'provider-failed': { mend: false, detail: 'The provider answered with a failure of its own.' },
  unreachable: { mend: false, detail: 'The provider cannot be reached, or hung up.' },
  'too-slow': { mend: false, detail: 'The provider did not answer in time.' },
  'too-large': { mend: false, detail: 'The provider sent more than an answer may hold, so it was cut off.' },
  'cut-off': { mend: false, detail: 'The provider stopped in the middle of its answer.' },
  'not-understood': { mend: false, detail: 'The answer of the provider makes no sense.' },
} as const;

export type ModelVerdict = keyof typeof verdicts;
// Object.keys forgets the key type; the object above is closed.
export const modelVerdicts = Object.keys(verdicts) as ModelVerdict[];

export type Tokens = { input: number; output: number; cached: number; reasoning: number };

/** Those that time or the provider may mend. */
export type PassingVerdict = {
  [V in ModelVerdict]: (typeof verdicts)[V]['mend'] extends false ? V : never;
}[ModelVerdict];

type More = {
  retryAfterSeconds?: number | undefined;
  /** What the provider counted before it went wrong. */
  usage?: Tokens | undefined;
};

/** What the provider or time may mend: whoever called may call again. Carries nothing of what was sent or received. */
export class ModelFailure extends Error {
  readonly verdict: PassingVerdict;
  readonly retryAfterSeconds: number | undefined;
  readonly usage: Tokens | undefined;

  constructor(verdict: PassingVerdict, { retryAfterSeconds, usage }: More = {}) {
    super(verdicts[verdict].detail);
    this.name = 'ModelFailure';
    this.verdict = verdict;
    this.retryAfterSeconds = retryAfterSeconds;
    this.usage = usage;
  }
}

export function faultOf(verdict: ModelVerdict, more: More = {}): Refusal | ModelFailure {
  if (passes(verdict)) return new ModelFailure(verdict, more);
  return new Refusal('unprocessable', verdicts[verdict].detail, { extra: { verdict } });
}

function passes(verdict: ModelVerdict): verdict is PassingVerdict {
  return !verdicts[verdict].mend;
}

/** The verdict of what was thrown; undefined for refusals of the organisation's own rules, and for bugs. */
export function verdictOf(thrown: unknown): ModelVerdict | undefined {
  if (thrown instanceof ModelFailure) return thrown.verdict;
  const told = thrown instanceof Refusal ? thrown.extra.verdict : undefined;
  return modelVerdicts.find((each) => each === told);
}

/** Another provider may do better: it is this one that fails, or this one's account. */
export function isTheProviders(thrown: unknown): boolean {
  const verdict = verdictOf(thrown);
  if (verdict === undefined) return false;
  return passes(verdict) || verdict === 'credential-refused' || verdict === 'quota-exhausted';
}

/** Of two failures the one that may pass by itself; a fallback that may not be asked changes nothing. */
export function worthier(before: unknown, now: unknown): unknown {
  if (before instanceof ModelFailure && now instanceof Refusal) return before;
  return verdictOf(now) === undefined && now instanceof Refusal ? before : now;
}
