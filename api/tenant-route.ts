import type { output } from 'zod';
import { auditInTenant } from '../models/audit.ts';
import type { Row, Statement } from '../models/batch.ts';
import { inTenant, type Place, readInTenant, type TenantScope } from '../models/scope.ts';
import type { Credential } from '../models/tenant/credential.ts';
import { takeTurn } from '../models/tenant/turn.ts';
import { hiddenFields } from '../policies/authorize.ts';
import type { Action } from '../policies/permissions.ts';
import type { Principal } from '../policies/principal.ts';
import type { Rights } from '../policies/rights.ts';
import { claim, type IdempotencyKey, idempotencyKeyOf, remember, rememberRefusal } from './idempotency.ts';
import { given, type Loading, readAs } from './loading.ts';
import { decide, permitted } from './permitted.ts';
import {
  type Asker,
  askerOf,
  credentialStatement,
  goneIsInvalid,
  type Known,
  knownAsker,
} from './principal.ts';
import { eventOf, explanationOf } from './recording.ts';
import {
  type Answer,
  type Call,
  type Declared,
  type Incoming,
  type Nothing,
  type Permitted,
  parseCall,
  type Route,
  type Shape,
} from './route.ts';
import { RollBack, settled } from './settled.ts';

/**
 * Routes inside a tenant. The credential is looked up in the very transaction that reads or changes what was asked
 * for, in the tenant of the token and nowhere else: there is no request in which another tenant's table exists, and
 * no cached right. A read is one round trip to the database (models/batch.ts).
 */
type TenantCall<P extends Shape, Q extends Shape, B extends Shape> = Call<P, Q, B> & {
  row: Row;
  rows: Row[];
  principal: Principal;
  rights: Rights;
  me: string;
  /** All ids of whoever asks: what belongs to one of them is their own. */
  ids: readonly string[];
  credential: Credential;
  tenantId: string;
  place: Place;
  /** The fields of a row of the route's subject that may not be read. */
  hidden: (row: Row) => string[];
};

type Read<P extends Shape, Q extends Shape> = Declared<P, Q, Nothing> &
  Permitted &
  Loading<P, Q> & { handle: (call: TenantCall<P, Q, Nothing>) => Answer | Promise<Answer> };

type WriteCall<P extends Shape, Q extends Shape, B extends Shape> = TenantCall<P, Q, B> & {
  tenant: TenantScope;
  /** Asks CASL about one more object of the route's subject: what a change would make of the one that was loaded. */
  insist: (action: Action, object: Record<string, unknown>) => void;
};

type Write<P extends Shape, Q extends Shape, B extends Shape> = Declared<P, Q, B> &
  Permitted &
  Loading<P, Q> & {
    /** What CASL is asked about where nothing is loaded: the object about to be made. */
    makes?: (given: { body: output<B>; me: string }) => Record<string, unknown>;
    /** Of changes of people and rights: one after the other in each tenant (models/tenant/turn.ts). */
    inTurn?: true;
    handle: (call: WriteCall<P, Q, B>) => Promise<Answer>;
  };

export function tenantRead<P extends Shape = Nothing, Q extends Shape = Nothing>(spec: Read<P, Q>): Route {
  return {
    ...spec,
    scope: 'tenant',
    serve: async (incoming) => {
      const asker = await askerOf(incoming);
      const call = await parsed(spec, asker, incoming);
      const { known, rows } = await readAs(spec, call, asker, incoming);
      const { found } = permitted(spec, { rows }, known, incoming);
      return spec.handle({ ...call, ...found, ...about(spec, known, asker) });
    },
  };
}

export function tenantWrite<P extends Shape = Nothing, Q extends Shape = Nothing, B extends Shape = Nothing>(
  spec: Write<P, Q, B>,
): Route {
  return {
    ...spec,
    scope: 'tenant',
    serve: async (incoming) => {
      const asker = await askerOf(incoming);
      const call = await parsed(spec, asker, incoming);
      const state: { key?: IdempotencyKey | undefined } = {};
      return settled(
        () =>
          inTenant(asker.place, (tenant) => write(spec, call, { asker, tenant, state }, incoming)).catch(
            goneIsInvalid,
          ),
        async (thrown) => {
          const { key } = state;
          const explanation = explanationOf(incoming, thrown);
          if (key)
            await inTenant(asker.place, ({ sql }) =>
              rememberRefusal(sql, key, thrown, { requestId: incoming.requestId, explanation }),
            );
        },
      );
    },
  };
}

type Writing = { asker: Asker; tenant: TenantScope; state: { key?: IdempotencyKey | undefined } };

async function write<P extends Shape, Q extends Shape, B extends Shape>(
  spec: Write<P, Q, B>,
  call: Call<P, Q, B>,
  { asker, tenant, state }: Writing,
  incoming: Incoming,
): Promise<Answer> {
  const run = ({ text, values }: Statement) => tenant.sql<Row>(text, values);
  const who = await identified(spec, asker, tenant);
  const known = await knownAsker(asker, who, incoming, run);
  const { principalId } = known.credential;
  // What is not to be stored is, above all, a secret in the answer.
  if (!spec.notStored)
    state.key = idempotencyKeyOf(incoming.request, principalId, `${spec.method} ${spec.path}`);
  const told = about(spec, known, asker);
  const made = spec.makes?.({ body: call.body, me: told.me });
  // A stored answer is for those who still may; where the object has to be loaded first, what became of it counts.
  const judge = (rows: Row[]) => permitted(spec, { rows, made }, known, incoming);
  const early = spec.load ? undefined : judge([]);
  const replayed = state.key && (await claim(tenant.sql, state.key));
  if (replayed) return replayed;
  const loaded = async () =>
    spec.load ? run(spec.load({ ...call, ...given(spec, known, told.tenantId) })) : [];
  const { found, rule } = early ?? judge(await loaded());
  const insist = (action: Action, object: Record<string, unknown>) => {
    decide(known, { permit: [action, spec.permit[1]], object }, incoming);
  };
  const answer = await spec.handle({ ...call, ...found, ...told, tenant, insist });
  if (answer.unchanged) throw new RollBack(answer);
  await auditInTenant(tenant.sql, eventOf(spec, answer, known, rule, incoming));
  if (state.key) await remember(tenant.sql, state.key, answer);
  return answer;
}

/** Whoever has to wait for their turn is judged by what they may when it has come. */
async function identified(
  { inTurn }: { inTurn?: true },
  asker: Asker,
  { sql }: TenantScope,
): Promise<Row | undefined> {
  const { text, values } = credentialStatement(asker);
  const [row] = await sql<Row>(text, values);
  if (!row || !inTurn) return row;
  await takeTurn(sql);
  const [now] = await sql<Row>(text, values);
  return now;
}

/** A body that is not acceptable is told only to someone whose credential is. */
async function parsed<P extends Shape, Q extends Shape, B extends Shape>(
  spec: Declared<P, Q, B>,
  asker: Asker,
  incoming: Incoming,
): Promise<Call<P, Q, B>> {
  try {
    return parseCall(spec, incoming);
  } catch (fault) {
    const ask = async (one: Statement) =>
      (await readInTenant(asker.place, [one]).catch(goneIsInvalid))[0] ?? [];
    const [who] = await ask(credentialStatement(asker));
    await knownAsker(asker, who, incoming, ask);
    throw fault;
  }
}

function about(spec: Permitted, { principal, rights, ids, credential }: Known, { place, token }: Asker) {
  const [, type] = spec.permit;
  const hidden = (row: Row) => hiddenFields(rights, { type, object: row, ids });
  const me = ids.at(-1) ?? credential.principalId;
  return { principal, rights, me, ids, credential, tenantId: token.tenantId, place, hidden };
}
