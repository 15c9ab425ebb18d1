import { inTenant, type Place } from '../models/scope.ts';
import { type IntegrationUse, recordUse } from '../models/tenant/integration-use.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';
import { among, EgressFailure } from './egress/failure.ts';
import { BreakerOpen, throughBreaker } from './integration/breaker.ts';
import { CheckFailed, type Connection, isKind } from './integration/connection.ts';
import { authorised } from './integration/http.ts';
import { insistUsable, openIntegration } from './integration/opened.ts';
import { addressOf, allowedHeaders, told } from './integration/request.ts';
import { sendToSlack } from './integration/slack.ts';

/**
 * Agents' and workflows' calls of an integration. The credential is put in here and is never seen by who calls; the address
 * stays below the one that was saved. A repeated call carries the same Idempotency-Key. A Refusal is for the tenant to
 * mend; anything else that is thrown (no answer, 429, 5xx, an open breaker) may be tried again.
 */
export type IntegrationCall = {
  integrationId: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the integration's address, beginning with a slash. */
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  /** Sent as JSON; text as it is. */
  body?: unknown;
  idempotencyKey: string;
  usedBy: { principal: Principal; agentId?: string; runId?: string };
};

export type IntegrationAnswer = {
  status: number;
  headers: Record<string, string>;
  /** Parsed when it is JSON, text otherwise. */
  body: unknown;
};

const requestBytesMax = 1024 * 1024;
const limits = { totalMs: 30_000, idleMs: 20_000, responseBytesMax: 1024 * 1024 };

export async function callIntegration(
  place: Place & { region?: string },
  call: IntegrationCall,
  { signal }: { signal?: AbortSignal } = {},
): Promise<IntegrationAnswer> {
  const { integrationId, usedBy } = call;
  const body = bodyOf(call.body);
  const { integration, connection } = await openIntegration(place, integrationId, {
    actor: usedBy.principal,
    agentId: usedBy.agentId,
    limits,
  });
  insistUsable(integration);
  const use: IntegrationUse = {
    integrationId,
    principalId: usedBy.principal.id,
    agentId: usedBy.agentId,
    runId: usedBy.runId,
    method: call.method,
    status: null,
    failure: null,
    requestBytes: body ? Buffer.byteLength(body.text) : 0,
    responseBytes: 0,
    milliseconds: 0,
  };
  const started = performance.now();
  try {
    return await throughBreaker(place, integrationId, () => sent(connection, call, { body, signal, use }));
  } catch (thrown) {
    use.failure = failureWord(thrown);
    throw asThrown(thrown, integrationId);
  } finally {
    use.milliseconds = performance.now() - started;
    await inTenant(place, ({ sql }) => recordUse(sql, use));
  }
}

type Body = { text: string; type: string } | undefined;

function bodyOf(body: unknown): Body {
  if (body === undefined || body === null) return undefined;
  const given: Body =
    typeof body === 'string'
      ? { text: body, type: 'text/plain; charset=utf-8' }
      : { text: JSON.stringify(body), type: 'application/json' };
  if (Buffer.byteLength(given.text) > requestBytesMax)
    throw new Refusal('too-large', 'A call of an integration may carry at most 1 MiB; send less.');
  return given;
}

type Sending = { body: Body; signal: AbortSignal | undefined; use: IntegrationUse };

async function sent(
  connection: Connection,
  call: IntegrationCall,
  sending: Sending,
): Promise<IntegrationAnswer> {
  if (isKind(connection, 'slack')) return slack(connection, call, sending);
  if (!isKind(connection, 'http'))
    throw new Refusal(
      'unprocessable',
      `An integration of kind ${connection.kind} cannot be called as a tool; use one of kind http or slack.`,
    );
  const url = addressOf(connection.target.url, call);
  let answer = await asked(connection, url, call, sending, false);
  // A token may have been withdrawn before its end: once more, with a fresh one.
  if (answer.status === 401 && connection.target.auth === 'oauth2') {
    await answer.body?.cancel();
    answer = await asked(connection, url, call, sending, true);
  }
  return received(answer, sending.use);
}

async function asked(
  connection: Connection<'http'>,
  url: URL,
  { method, headers = {}, idempotencyKey }: IntegrationCall,
  { body, signal }: Sending,
  fresh: boolean,
): Promise<Response> {
  const own = await authorised(connection, fresh);
  return connection.egress.fetch(url, {
    method,
    headers: {
      accept: 'application/json, text/*;q=0.9, */*;q=0.1',
      ...(body && { 'content-type': body.type }),
      ...allowedHeaders(headers, Object.keys(own)),
      'idempotency-key': idempotencyKey,
      ...own,
    },
    ...(body && { body: body.text }),
    ...(signal && { signal }),
  });
}

async function received(answer: Response, use: IntegrationUse): Promise<IntegrationAnswer> {
  use.status = answer.status;
  const text = await answer.text();
  use.responseBytes = Buffer.byteLength(text);
  if (answer.status >= 500 || answer.status === 429)
    throw new EgressFailure(
      'answer',
      Object.assign(new Error('no success'), { code: `HTTP_${answer.status}` }),
    );
  return { status: answer.status, ...told(answer.headers, text) };
}

async function slack(
  connection: Connection<'slack'>,
  { body }: IntegrationCall,
  { signal, use }: Sending,
): Promise<IntegrationAnswer> {
  const message = typeof body === 'object' && body !== null ? body : { text: String(body ?? '') };
  const status = await sendToSlack(connection, message, signal);
  use.status = status;
  if (status >= 500 || status === 429)
    throw new EgressFailure('answer', Object.assign(new Error('no success'), { code: `HTTP_${status}` }));
  return { status, headers: {}, body: '' };
}

function failureWord(thrown: unknown): string {
  const failure = among(thrown, (cause) => cause instanceof EgressFailure);
  if (failure) return failure.stage;
  if (thrown instanceof BreakerOpen) return 'breaker';
  return thrown instanceof Refusal || thrown instanceof CheckFailed ? 'refused' : 'other';
}

/** A credential that is not accepted is the tenant's to mend; trying again changes nothing. */
function asThrown(thrown: unknown, id: string): unknown {
  if (thrown instanceof CheckFailed && thrown.stage === 'auth')
    return new Refusal(
      'conflict',
      `The credential of integration ${id} is not accepted any more; give it a new one.`,
    );
  return thrown;
}
