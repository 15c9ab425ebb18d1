import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Action, SubjectType } from '../policies/permission.ts';
import { Refusal } from '../policies/refusal.ts';
import type { RouteClass } from '../policies/request-rate.ts';
import type { Facts } from '../policies/rule.ts';
import type { Log } from '../telemetry.ts';
import { bodyOf, pointerTo, textFault } from './body.ts';
import type { Caller } from './call-use.ts';
import { ifMatchOf, purposeOf, waitOf } from './conditions.ts';
import { faultsOf } from './faults.ts';
import type { Known } from './principal.ts';
import type { Reading } from './tenant-context.ts';

/**
 * An endpoint is a declaration: method, path, permission, shapes in and out, what is loaded before CASL is asked,
 * and what is done afterwards. Parsing, credential, tenant, throttle, 404 or 403, idempotency, audit and the shape
 * of errors come with it and cannot be left out. OpenAPI and the tests' matrix of refusals are made from the same
 * declarations. The kinds of route are in platform-route.ts, tenant-route.ts and public-route.ts.
 */
export type Shape = z.ZodObject;
const nothing = z.strictObject({});
export type Nothing = typeof nothing;

/** What a request is before anything was believed of it. */
export type Incoming = {
  request: Request;
  response: Response;
  requestId: string;
  source: string;
  /** Known once the credential is. */
  tenantId?: string;
  /** Whose request is still to be counted (api/call-use.ts). */
  caller?: Caller | undefined;
  /** With the request's and the tenant's id on every line; made when first asked for, for most requests need none. */
  readonly log: Log;
  /** What names a tenant beside the credential; whether it agrees is told only to somebody whose credential is good. */
  reading?: Reading;
  /** Set once the credential is known. */
  known?: Known;
  /** Whether a session may come here that has yet to set up its second factor. */
  duringEnrolment: boolean;
  /** Whether it waits for a change: its route offers it, and its caller asked. */
  waits: boolean;
  /** As what it counts against the rate. */
  routeClass: RouteClass;
  /** Origins of other hosts' pages that are believed with a session's cookie here. */
  pages: readonly string[];
  /** Done once the act is committed or refused, before the answer leaves: the exchange of a session's token. */
  beforeAnswer?: () => Promise<void>;
  /** Done once the answer has left. */
  afterAnswer?: () => Promise<void>;
  /** There since its turn came (api/turns.ts). */
  endTurn?: () => void;
  /** Set by a refused permission: what was asked, and what decided. */
  refused?: {
    permit: Permitted['permit'];
    facts: Facts;
    id?: string | undefined;
    rule: string;
    considered: string[];
  };
};

/** What every handler is told about the call. */
export type Call<P extends Shape, Q extends Shape, B extends Shape> = {
  params: z.output<P>;
  query: z.output<Q>;
  body: z.output<B>;
  requestId: string;
  source: string;
  /** Version named by If-Match; undefined when the caller did not say. */
  ifMatch: number | undefined;
  /** Seconds the caller would wait for a change (Prefer: wait=…). */
  waitSeconds: number;
  /** What the caller says it is for (X-Purpose). */
  purpose: string | undefined;
};

type Audited = {
  id?: string;
  /** Where the permission does not say what was done: what was, and to which kind of thing. */
  done?: readonly [string, SubjectType];
  before?: object;
  after?: object;
  reason?: string | undefined;
  operationId?: string;
  tenantId?: string;
  details?: Record<string, unknown>;
};

export type Answer = {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
  /** What the audit trail says beyond actor, action and rule. */
  audit?: Audited;
  /** Nothing was changed (a dry run), so nothing is written to the audit trail, and nothing follows. */
  unchanged?: boolean;
  /** Instead of a body: writes what comes, and resolves when there is nothing more to come or nobody to read it. */
  stream?: (response: Response) => Promise<void>;
  /** Done once the transaction is committed; what it cannot do, the sweep will. */
  afterCommit?: () => Promise<void>;
};

/** What a route says of itself, whatever its kind. */
export type Declared<P extends Shape, Q extends Shape, B extends Shape> = {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Below /v1, in Express notation. */
  path: string;
  summary: string;
  tag: string;
  params?: P;
  query?: Q;
  body?: B;
  /** Of a public route that tells more to somebody it knows. */
  credential?: 'optional';
  /** Also takes text/csv, which this turns into what the body's shape is asked about. */
  csv?: (text: string) => unknown;
  /** JSON of other types that it also takes, each made what the body's shape is asked about. */
  otherwise?: Record<string, (sent: unknown) => unknown>;
  /** Why an Idempotency-Key is of no use here; without this every POST honours one. */
  notStored?: string;
  /** Pages of the configured Temporal UIs may call this, with a session's cookie as well (api/temporal-ui.ts). */
  fromTemporalUi?: true;
  /** Where a body may be larger than api/app.ts allows by default. */
  bodyBytesMax?: number;
  /** What it counts as where the plan limits a class of routes; by its method, if it does not say. */
  routeClass?: RouteClass;
  /** Open to sessions that have yet to set up the second factor their organisation asks for. */
  duringEnrolment?: true;
  waits?: true; // Whoever says `Prefer: wait=…` is answered when something has changed.
  /** Other types of content it comes in, by Accept or as its query says. */
  alsoAs?: readonly string[];
  /** Status → shape of the body (null: none). The problems every route can answer are added by themselves. */
  answers: Record<number, z.ZodType | null>;
};

export type Permitted = {
  permit: readonly [Action, SubjectType];
  /** What operators need instead, where a tenant's route is theirs as well: no permission is of both scopes. */
  permitOperators?: readonly [Action, SubjectType];
};

/** A route as the app, the OpenAPI document and the tests see it: its types are checked and forgotten. */
export type Route = Declared<Shape, Shape, Shape> & {
  scope: 'platform' | 'tenant' | 'public';
  permit?: readonly [Action, SubjectType];
  permitOperators?: readonly [Action, SubjectType];
  serve: (incoming: Incoming) => Promise<Answer>;
};

/** Parses path, query and body by the declared shapes: a path that cannot name anything is 404, all else in one 400. */
export function parseCall<P extends Shape, Q extends Shape, B extends Shape>(
  declared: Declared<P, Q, B>,
  incoming: Incoming,
): Call<P, Q, B> {
  const { request, requestId, source } = incoming;
  const params = (declared.params ?? nothing).safeParse(request.params);
  const unkept = Object.values(request.params).some((text) => textFault(String(text), '').length > 0);
  if (!params.success || unkept) {
    const [{ message = 'holds a NUL or half of a character' } = {}] = params.error?.issues ?? [];
    throw new Refusal('not-found', `There is nothing at this address; what stands in the path ${message}.`);
  }
  // ?tenant= says where the request is, not what it asks for (api/tenant-context.ts).
  const { tenant: _, ...asked } = request.query;
  const query = (declared.query ?? nothing).safeParse(asked);
  const sent = bodyOf(request, declared);
  const body = (declared.body ?? nothing).safeParse(sent === undefined ? {} : sent);
  const errors = [
    ...Object.entries(asked).flatMap(([name, value]) => textFault(String(value), `?${name}`)),
    ...(query.success ? [] : faultsOf(query.error, (path) => `?${path.join('.')}`, fieldsOf(declared.query))),
    ...(body.success ? [] : faultsOf(body.error, pointerTo)),
  ];
  if (!query.success || !body.success || errors.length > 0) {
    throw new Refusal('invalid-request', 'Some of what was sent is not acceptable; each fault is listed.', {
      errors,
    });
  }
  return {
    // safeParse ran each of these by the shape it is typed with; the fallback shape is the type's own default.
    params: params.data as z.output<P>,
    query: query.data as z.output<Q>,
    body: body.data as z.output<B>,
    requestId,
    source,
    ifMatch: ifMatchOf(request),
    waitSeconds: waitOf(request),
    purpose: purposeOf(request),
  };
}

const fieldsOf = (shape: Shape | undefined): string[] => Object.keys(shape?.shape ?? {});

export function requireVersion(call: { ifMatch: number | undefined }, version: number): void {
  if (call.ifMatch === undefined || call.ifMatch === version) return;
  const detail = `It is at version ${version} now; read it again and repeat your change.`;
  throw new Refusal('precondition-failed', detail);
}
