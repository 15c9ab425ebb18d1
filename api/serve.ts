import type { Request, RequestHandler, Response } from 'express';
import { config } from '../models/databases.ts';
import { newId, requestIdPattern } from '../models/ids.ts';
import { Refusal } from '../policies/refusal.ts';
import { routeClassOf } from '../policies/request-rate.ts';
import { httpSeconds, type Log, log } from '../telemetry.ts';
import { noteCall } from './call-use.ts';
import { waitOf } from './conditions.ts';
import { problemOf } from './errors.ts';
import { noteUse } from './key-use.ts';
import { explanationOf, recordRefusal } from './recording.ts';
import type { Answer, Incoming, Route } from './route.ts';

/** From an HTTP request to a route's answer and back: request id, log line, metrics, problem documents. */
export function requestIdOf(request: Request): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && requestIdPattern.test(given) ? given : newId('req');
}

export function serve(route: Route): RequestHandler {
  return async (request, response) => {
    const started = performance.now();
    const requestId = requestIdOf(request);
    const incoming = incomingOf(route, request, response, requestId);
    response.setHeader('X-Request-Id', requestId);
    const stream = await answered(route, incoming, started).finally(() => incoming.endTurn?.());
    // Who waits for a turn does not wait for this.
    await noteUse(incoming);
    // Last, for it may go on for hours; what came before it was told when it began.
    await stream?.(response);
  };
}

/** Returns what is left to be written, if that is a stream. */
async function answered(route: Route, incoming: Incoming, started: number): Promise<Answer['stream']> {
  const { requestId, response } = incoming;
  let stream: Answer['stream'];
  try {
    const answer = await route.serve(incoming);
    await aside(incoming, 'beforeAnswer');
    noteCall(incoming);
    send(response, answer);
    if (!answer.unchanged) await answer.afterCommit?.();
    stream = answer.stream;
  } catch (thrown) {
    await recordDenial(route, incoming, thrown);
    if (!response.headersSent) await aside(incoming, 'beforeAnswer');
    noteCall(incoming);
    const explanation = explanationOf(incoming, thrown);
    sendProblem(response, thrown, { requestId, explanation, log: incoming.log });
  }
  await aside(incoming, 'afterAnswer');
  const seconds = (performance.now() - started) / 1000;
  const { statusCode: status } = response;
  httpSeconds.observe({ method: route.method, route: route.path, status }, seconds);
  const { tenantId } = incoming;
  const ms = Math.round(seconds * 10_000) / 10;
  log.info({ requestId, tenantId, method: route.method, route: route.path, status, ms }, 'request');
  return stream;
}

function incomingOf(route: Route, request: Request, response: Response, requestId: string): Incoming {
  return {
    duringEnrolment: route.duringEnrolment ?? false,
    waits: route.waits === true && waitOf(request) > 0,
    routeClass: routeClassOf(route),
    pages: route.fromTemporalUi ? config().temporal.uiOrigins : [],
    request,
    response,
    requestId,
    source: request.ip ?? '',
    get log() {
      return log.child({ requestId, ...(this.tenantId && { tenantId: this.tenantId }) });
    },
  };
}

/** What goes with an answer and must not spoil it: a token not exchanged now is exchanged with the next. */
async function aside(incoming: Incoming, what: 'beforeAnswer' | 'afterAnswer'): Promise<void> {
  try {
    await incoming[what]?.();
  } catch (error) {
    incoming.log.warn({ error: String(error), what }, 'a session could not be kept up');
  }
}

async function recordDenial(route: Route, incoming: Incoming, thrown: unknown): Promise<void> {
  try {
    await recordRefusal(route, incoming, thrown);
  } catch (error) {
    // The refusal stands all the same; only its record is missing, and that is for the operators to know.
    incoming.log.error({ error: String(error) }, 'a refusal could not be written to the audit trail');
  }
}

function send(response: Response, { status, body, headers, stream }: Answer): void {
  response.status(status);
  response.setHeader('Cache-Control', 'private, no-store');
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
  if (stream) {
    response.flushHeaders();
    return;
  }
  if (body === undefined) {
    response.end();
    return;
  }
  if (!response.hasHeader('Content-Type'))
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.end(JSON.stringify(body));
}

type Telling = {
  requestId: string;
  log: Log;
  /** Where one can ask why. */
  explanation?: string | undefined;
};

export function sendProblem(
  response: Response,
  thrown: unknown,
  { requestId, log: to, explanation }: Telling,
): void {
  const problem = problemOf(thrown, requestId, explanation);
  if (problem.status >= 500) to.error({ error: describe(thrown) }, 'a request failed');
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (thrown instanceof Refusal && thrown.retryAfterSeconds)
    response.setHeader('Retry-After', thrown.retryAfterSeconds);
  if (problem.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
  send(response, {
    status: problem.status,
    body: problem,
    headers: { 'Content-Type': 'application/problem+json' },
  });
}

/**
 * With what is beneath it: Sequelize keeps the error of the database as `original`. Of that only the SQLSTATE and the
 * message; its detail quotes values, which may be personal.
 */
export function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { code, original, cause = original } = thrown as Error & { code?: unknown; original?: unknown };
  const told = `${thrown.stack}${code ? ` (${code})` : ''}`;
  return cause ? `${told}\ncaused by: ${describe(cause)}` : told;
}
