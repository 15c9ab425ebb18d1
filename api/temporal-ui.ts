import type { RequestHandler } from 'express';
import { config } from '../models/databases.ts';

/**
 * Pages of a Temporal UI call the codec endpoint from another origin, so a browser asks first whether it may. Only
 * the configured origins may, and only at routes that say so: any other page can neither send the session's cookie to
 * something that believes it nor read an answer.
 */
const requestHeaders = 'Authorization, Content-Type, X-Namespace, X-Purpose, X-Request-Id, X-Tenant';
const preflightSeconds = '600';

/** On every answer, refusals too: without these headers the UI could not even show why it was refused. */
export const readableByTemporalUi: RequestHandler = ({ headers: { origin } }, response, next) => {
  response.vary('Origin');
  if (origin !== undefined && config().temporal.uiOrigins.includes(origin)) {
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Allow-Credentials', 'true');
    response.setHeader('Access-Control-Expose-Headers', 'X-Request-Id');
  }
  next();
};

/** The browser's question before the call; without the headers above, this is a no. */
export const preflight: RequestHandler = (_request, response) => {
  response.setHeader('Access-Control-Allow-Methods', 'POST');
  response.setHeader('Access-Control-Allow-Headers', requestHeaders);
  response.setHeader('Access-Control-Max-Age', preflightSeconds);
  response.status(204).end();
};
