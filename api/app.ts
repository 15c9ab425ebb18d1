import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { config } from '../models/databases.ts';
import { Refusal } from '../policies/refusal.ts';
import { log } from '../telemetry.ts';
import { readiness } from './health.ts';
import { formerHost, plainHost } from './host.ts';
import { openApiDocument } from './openapi.ts';
import { invitationPage, pageStyle, passwordResetPage, problemPage, referencePage } from './pages.ts';
import { routes } from './routes/index.ts';
import { requestIdOf, sendProblem, serve } from './serve.ts';
import { preflight, readableByTemporalUi } from './temporal-ui.ts';

/** The Express app. Routes come from their declarations; nothing else registers a path below /v1. */
const bodyBytesMax = 256 * 1024;
const json = ['application/json', 'application/*+json'];
const bodyAs = (type: string[], limit = bodyBytesMax) => express.text({ type, limit });

export function createApp(): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('trust proxy', config().http.trustedProxies);
  app.use(nosniff);
  app.use(plainHost);
  serveHealth(app);
  app.use(formerHost);
  const paths = new Map<string, string[]>();
  for (const route of routes) {
    const path = `/v1${route.path}`;
    const types = route.csv ? [...json, 'text/csv'] : json;
    const before: RequestHandler[] = route.method === 'get' ? [] : [bodyAs(types, route.bodyBytesMax)];
    if (route.fromTemporalUi) {
      app.options(path, readableByTemporalUi, preflight);
      before.unshift(readableByTemporalUi);
    }
    app[route.method](path, ...before, serve(route));
    const offered = route.method === 'get' ? ['GET', 'HEAD'] : [route.method.toUpperCase()];
    const methods = [...(paths.get(path) ?? []), ...offered];
    paths.set(path, methods);
    // With the last route of a path, before a later one whose parameter would match it too (/invitations/bulk).
    if (routes.findLast((each) => each.path === route.path) === route) app.all(path, refuseMethod(methods));
  }
  servePages(app);
  app.use((request) => {
    throw new Refusal('not-found', `There is nothing at ${request.path}; the reference is at /docs.`);
  });
  app.use(asProblem);
  return app;
}

const nosniff: RequestHandler = (_request, response, next) => {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  next();
};

function refuseMethod(methods: string[]): RequestHandler {
  return (request, response) => {
    response.setHeader('Allow', methods.join(', '));
    throw new Refusal(
      'method-not-allowed',
      `${request.method} is not offered here; offered: ${methods.join(', ')}.`,
    );
  };
}

/** Before anything that asks the directory: who watches has to hear something when it is away. */
function serveHealth(app: Express): void {
  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.get('/readyz', readiness);
}

function servePages(app: Express): void {
  const document = JSON.stringify(openApiDocument(routes, config().publicUrl));
  app.get('/v1/openapi.json', (_request, response) => {
    response.type('application/json').send(document);
  });
  // Browsers ask for one on every page.
  app.get('/favicon.ico', (_request, response) => {
    response.status(204).end();
  });
  app.get('/', (_request, response) => {
    response.redirect('/docs');
  });
  const swagger = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  const pages = express.Router();
  // Helmet's own default lets styles and fonts come from anywhere; everything these pages load is served here.
  const directives = {
    upgradeInsecureRequests: null,
    fontSrc: ["'self'", 'data:'],
    styleSrc: ["'self'", "'unsafe-inline'"],
  };
  pages.use(helmet({ contentSecurityPolicy: { directives } }));
  pages.use('/docs/assets', express.static(swagger, { index: false, maxAge: '1d' }));
  pages.get('/docs', referencePage);
  pages.get('/docs/start.js', referencePage);
  pages.get('/docs/problems/:code', problemPage);
  pages.get('/pages/page.css', pageStyle);
  pages.get('/invitations/:token', invitationPage);
  pages.get('/invitations/page/accept.js', invitationPage);
  pages.get('/password-resets/:token', passwordResetPage);
  pages.get('/password-resets/page/choose.js', passwordResetPage);
  app.use(pages);
}

/** What Express itself throws before a route is reached: a body too large, a broken encoding, a bad path. */
const asProblem: ErrorRequestHandler = (thrown, request, response, _next) => {
  const requestId = requestIdOf(request);
  response.setHeader('X-Request-Id', requestId);
  sendProblem(response, asRefusal(thrown), { requestId, log: log.child({ requestId }) });
};

function asRefusal(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof Refusal || !('status' in thrown)) return thrown;
  if (thrown.status === 413) {
    const limit = 'limit' in thrown ? thrown.limit : bodyBytesMax;
    return new Refusal('too-large', `A body may have ${limit} bytes.`, { cause: thrown });
  }
  if (thrown.status === 415) return new Refusal('unsupported-media-type', thrown.message, { cause: thrown });
  if (typeof thrown.status === 'number' && thrown.status < 500) {
    return new Refusal('invalid-request', 'The request could not be read.', { cause: thrown });
  }
  return thrown;
}
