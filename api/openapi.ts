import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import packageJson from '../package.json' with { type: 'json' };
import type { Route } from './route.ts';

/** The OpenAPI 3.1 document, made from the routes themselves. */
const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    requestId: z.string(),
    explanation: z.string().optional().meta({ description: 'Where one can ask why, and who can change it.' }),
    errors: z.array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() })).optional(),
  })
  .loose()
  .meta({ id: 'Problem', description: 'RFC 9457' });

const credentials = `A key (fh_key_…) or the token of a session (fh_ses_…).

After a change of password or second factor, and after somebody changed the person's rights, the answer brings a new token in the header Freehold-Session; the old one ends then, or within an hour. Sessions made with delivery “cookie” travel in the cookie __Host-freehold instead, which browsers send over TLS and to *.localhost; a change made with it has to come from a page of the same host (Origin, Sec-Fetch-Site).`;

const meanings: Record<number, string> = {
  200: 'OK',
  201: 'Made',
  202: 'Accepted; follow the operation, where one is named',
  308: 'At a tenant’s former address: the same path at the present one',
  204: 'Done',
  400: 'Not well formed; errors[] names every fault',
  401: 'No valid credential',
  403: 'Not allowed, suspended, or two tenants named',
  404: 'Nothing there, or nothing you may see',
  409: 'Conflicts with what is there; names the operation under way',
  412: 'Changed meanwhile (If-Match)',
  413: 'Too large',
  415: 'Not JSON',
  421: 'Served elsewhere',
  422: 'Cannot be carried out, or Idempotency-Key used for something else',
  429: 'Too many requests; see Retry-After',
  500: 'Our fault; report the request id',
  503: 'A part does not answer; see Retry-After',
};

const problemStatuses = (route: Route): number[] => {
  const always = [400, 401, 403, 404, 412, 415, 421, 429, 500, 503];
  const written = route.method === 'get' ? [] : [409, 413, 422];
  return [...always, ...written];
};

function openApiPath(path: string): string {
  return `/v1${path.replaceAll(/:(\w+)/g, '{$1}')}`;
}

function header(name: string, description: string) {
  return { in: 'header' as const, name, required: false, description, schema: { type: 'string' as const } };
}

function parametersOf(route: Route) {
  return [
    header('X-Request-Id', 'Kept through logs, operations and the audit trail; made up when absent.'),
    ...(route.method === 'post' && !route.notStored
      ? [header('Idempotency-Key', 'The same key gets the same answer for 24 hours.')]
      : []),
    ...(['patch', 'put', 'delete'].includes(route.method)
      ? [header('If-Match', 'The ETag this change is based on.')]
      : []),
    ...(route.fromTemporalUi ? [header('X-Purpose', 'What it is read for; kept in the audit trail.')] : []),
    ...(route.scope === 'public' ? [header('X-Tenant', 'The organisation meant, by address or id.')] : []),
  ];
}

function operationOf(route: Route): ZodOpenApiOperationObject {
  const answers = Object.entries(route.answers).map(([status, shape]) => [
    status,
    {
      description: meanings[Number(status)] ?? 'OK',
      ...(shape && { content: { 'application/json': { schema: shape }, ...otherwise(route) } }),
    },
  ]);
  const problems = problemStatuses(route).map((status) => [
    String(status),
    { description: meanings[status] ?? '', content: { 'application/problem+json': { schema: problem } } },
  ]);
  return {
    summary: route.summary,
    tags: [route.tag],
    operationId: `${route.method}${route.path.replaceAll(/[/:-]+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    ...(route.permit && { description: `Needs the permission to **${route.permit.join(' ')}**.` }),
    security: securityOf(route),
    parameters: parametersOf(route),
    requestParams: {
      ...(route.params && { path: route.params }),
      ...(route.query && { query: route.query }),
    },
    ...(route.body && {
      requestBody: {
        required: !route.body.safeParse({}).success,
        content: {
          'application/json': { schema: route.body },
          ...Object.fromEntries(Object.keys(route.otherwise ?? {}).map((type) => [type, {}])),
          ...(route.csv && {
            'text/csv': {
              schema: { type: 'string' as const },
              example: 'email,name,roles\nada@example.com,Ada Lovelace,builder viewer\n',
            },
          }),
        },
      },
    }),
    // fromEntries widens the statuses to string; they are the numbers above.
    responses: Object.fromEntries([
      ...answers,
      ...moved(route),
      ...problems,
    ]) as ZodOpenApiOperationObject['responses'],
  };
}

const otherwise = ({ alsoAs = [] }: Route) =>
  Object.fromEntries(alsoAs.map((type) => [type, { schema: { type: 'string' as const } }]));

function securityOf({ scope, credential }: Route) {
  if (scope !== 'public') return [{ bearer: [] }];
  return credential === 'optional' ? [{}, { bearer: [] }] : [];
}

const moved = ({ method }: Route) =>
  method === 'get' ? [['308', { description: meanings[308] ?? '' }]] : [];

export function openApiDocument(routes: Route[], serverUrl: string) {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    const path = openApiPath(route.path);
    paths[path] = { ...paths[path], [route.method]: operationOf(route) };
  }
  return createDocument({
    openapi: '3.1.0',
    info: { title: 'Freehold', version: packageJson.version, description: packageJson.description },
    servers: [{ url: serverUrl }],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: credentials } },
    },
  });
}
