import { egressReasonOf } from '../../policies/egress.ts';
import { faultOf, ModelFailure, type ModelVerdict } from '../../policies/model-verdict.ts';
import { Refusal } from '../../policies/refusal.ts';

/**
 * What was thrown while a provider was asked, as one of our verdicts. The errors of the SDK hold prompt and answer, so
 * none of them goes further than here, not even as a cause.
 */
export function faultBehind(thrown: unknown): Error {
  const chain = causesOf(thrown);
  const ours = chain.find((each) => each instanceof ModelFailure || each instanceof Refusal);
  if (ours instanceof Refusal && egressReasonOf(ours) === 'size') return faultOf('too-large');
  if (ours instanceof Error) return ours;
  const call = chain.find(hasStatus);
  if (call && call.statusCode >= 400) return faultOfStatus(call);
  const verdict = chain.map(verdictByName).find((each) => each !== undefined);
  if (verdict) return faultOf(verdict);
  // In-band errors of a stream are plain objects or texts, whatever the provider likes.
  if (!(thrown instanceof Error)) return faultOf('provider-failed');
  return new Error(`bug: a call of a model ended with ${thrown.name} (${codeOf(thrown) ?? 'no code'})`);
}

const depthMax = 10;

function causesOf(thrown: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let at = thrown; at !== undefined && at !== null && chain.length < depthMax; at = nextOf(at))
    chain.push(at);
  return chain;
}

function nextOf(thrown: unknown): unknown {
  const { cause, lastError } = thrown as { cause?: unknown; lastError?: unknown };
  return cause ?? lastError;
}

type Answered = {
  statusCode: number;
  responseHeaders?: Record<string, string>;
  responseBody?: string;
};

function hasStatus(thrown: unknown): thrown is Answered {
  return typeof (thrown as { statusCode?: unknown }).statusCode === 'number';
}

const byStatus: Record<number, ModelVerdict> = {
  401: 'credential-refused',
  402: 'quota-exhausted',
  403: 'credential-refused',
  404: 'model-unknown',
  408: 'too-slow',
  409: 'provider-failed',
  413: 'too-long',
  425: 'rate-limited',
  429: 'rate-limited',
};

/** Codes that say more than the status; looked for in no more of the body than any of them needs. */
const byCode: [RegExp, ModelVerdict][] = [
  [/insufficient_quota|billing_hard_limit|credit balance is too low/i, 'quota-exhausted'],
  [/API_KEY_INVALID|invalid_api_key|authentication_error/, 'credential-refused'],
  [/context_length_exceeded|prompt is too long|input token count/i, 'too-long'],
  [/model_not_found|DeploymentNotFound|model .{0,100}(not found|does not exist)/i, 'model-unknown'],
];
const lookedAtMax = 4_000;

function faultOfStatus({ statusCode, responseHeaders = {}, responseBody = '' }: Answered): Error {
  const retryAfterSeconds = secondsOf(responseHeaders['retry-after']);
  if (statusCode >= 500) return faultOf('provider-failed', { retryAfterSeconds });
  const said = responseBody.slice(0, lookedAtMax);
  const coded = byCode.find(([pattern]) => pattern.test(said))?.[1];
  return faultOf(coded ?? byStatus[statusCode] ?? 'request-refused', { retryAfterSeconds });
}

// Longer than this nobody's run should wait on one header of a stranger.
const retryAfterMax = 600;

function secondsOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = /^\d{1,9}$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(retryAfterMax, Math.max(1, Math.ceil(seconds))) : undefined;
}

const byName: Record<string, ModelVerdict> = {
  AI_JSONParseError: 'not-understood',
  AI_TypeValidationError: 'not-understood',
  AI_InvalidResponseDataError: 'not-understood',
  AI_EmptyResponseBodyError: 'not-understood',
  AI_NoContentGeneratedError: 'not-understood',
  AI_NoOutputGeneratedError: 'cut-off',
  // The provider says so in the middle of a stream, in words of its own.
  AI_StreamProviderError: 'provider-failed',
  AI_InvalidPromptError: 'request-refused',
  AI_InvalidArgumentError: 'request-refused',
  AI_UnsupportedFunctionalityError: 'request-refused',
  AI_MessageConversionError: 'request-refused',
  AI_MissingToolResultsError: 'request-refused',
  AI_NoSuchModelError: 'model-unknown',
  AI_LoadAPIKeyError: 'credential-refused',
  TimeoutError: 'too-slow',
};

const broken =
  /^(ECONN|ENOTFOUND|EAI_|EPIPE|EHOST|ENET|ETIMEDOUT|UND_ERR_|ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HPE_)/;

function verdictByName(thrown: unknown): ModelVerdict | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { name } = thrown;
  const code = codeOf(thrown);
  if (code && broken.test(code)) return /TIMEOUT|ETIMEDOUT/.test(code) ? 'too-slow' : 'unreachable';
  // What undici says of a body that ended too soon.
  if (name === 'TypeError' && thrown.message === 'terminated') return 'cut-off';
  if (name === 'TypeError' && thrown.message === 'fetch failed') return 'unreachable';
  return byName[name];
}

function codeOf(thrown: Error): string | undefined {
  const { code } = thrown as Error & { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
