import type { Request, RequestHandler, Response } from 'express';
import { newId, requestIdPattern } from '../models/ids.ts';
import { Refusal } from '../policies/refusal.ts';
import { httpSeconds, type Log, log } from '../telemetry.ts';
import { problemOf } from './errors.ts';
import { noteUse } from './key-use.ts';
import { recordRefusal } from './recording.ts';
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
    const incoming = incomingOf(request, response, requestId);
    response.setHeader('X-Request-Id', requestId);
    try {
      const answer = await route.serve(incoming);
      send(response, answer);
      await answer.afterCommit?.();
    } catch (thrown) {
      await recordDenial(route, incoming, thrown);
      sendProblem(response, thrown, incoming.log, requestId);
    }
    const seconds = (performance.now() - started) / 1000;
    const { statusCode: status } = response;
    httpSeconds.observe({ method: route.method, route: route.path, status }, seconds);
    const { tenantId } = incoming;
    const ms = Math.round(seconds * 10_000) / 10;
    log.info({ requestId, tenantId, method: route.method, route: route.path, status, ms }, 'request');
    await noteUse(incoming);
  };
}

function incomingOf(request: Request, response: Response, requestId: string): Incoming {
  return {
    request,
    response,
    requestId,
    source: request.ip ?? '',
    get log() {
      return log.child({ requestId, ...(this.tenantId && { tenantId: this.tenantId }) });
    },
  };
}

async function recordDenial(route: Route, incoming: Incoming, thrown: unknown): Promise<void> {
  try {
    await recordRefusal(route, incoming, thrown);
  } catch (error) {
    // The refusal stands all the same; only its record is missing, and that is for the operators to know.
    incoming.log.error({ error: String(error) }, 'a refusal could not be written to the audit trail');
  }
}

function send(response: Response, { status, body, headers }: Answer): void {
  response.status(status);
  response.setHeader('Cache-Control', 'private, no-store');
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
  if (body === undefined) {
    response.end();
    return;
  }
  if (!response.hasHeader('Content-Type'))
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.end(JSON.stringify(body));
}

export function sendProblem(response: Response, thrown: unknown, to: Log, requestId: string): void {
  const problem = problemOf(thrown, requestId);
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

function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause ? `${thrown.stack}\ncaused by: ${describe(thrown.cause)}` : String(thrown.stack);
}
