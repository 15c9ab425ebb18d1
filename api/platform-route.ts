import type { output } from 'zod';
import { auditInSystem } from '../models/audit.ts';
import type { Row, Statement } from '../models/batch.ts';
import { inSystem, readInSystem, readInTenant, type SystemScope } from '../models/scope.ts';
import type { Principal } from '../policies/principal.ts';
import { type Fault, Refusal } from '../policies/refusal.ts';
import type { Log } from '../telemetry.ts';
import { bodyOf } from './body.ts';
import { claim, idempotencyKeyOf, remember, rememberRefusal } from './idempotency.ts';
import { type Found, permitted } from './permitted.ts';
import { askerOf, credentialStatement, goneIsInvalid, type Known, knownAsker } from './principal.ts';
import { eventOf } from './recording.ts';
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
 * Routes of the platform: for members of the system tenant, on the shared tables. A read loads its rows in one
 * round trip; a write runs in one transaction together with its stored answer and its audit event.
 */
type PlatformCall<P extends Shape, Q extends Shape, B extends Shape> = Call<P, Q, B> &
  Found & { principal: Principal };

type Loading<P extends Shape, Q extends Shape> = {
  /** Rows the handler needs; with path parameters the first one must exist and is what CASL is asked about. */
  load?: (given: { params: output<P>; query: output<Q> }) => Statement;
};

type Read<P extends Shape, Q extends Shape> = Declared<P, Q, Nothing> &
  Permitted &
  Loading<P, Q> & { handle: (call: PlatformCall<P, Q, Nothing>) => Answer | Promise<Answer> };

type Write<P extends Shape, Q extends Shape, B extends Shape> = Declared<P, Q, B> &
  Permitted &
  Loading<P, Q> & {
    /** Faults only the database knows, told together with those of the shape. */
    alsoCheck?: (body: unknown) => Promise<Fault[]>;
    handle: (call: PlatformCall<P, Q, B> & { system: SystemScope; log: Log }) => Promise<Answer>;
  };

export function platformRead<P extends Shape = Nothing, Q extends Shape = Nothing>(spec: Read<P, Q>): Route {
  return {
    ...spec,
    scope: 'platform',
    serve: async (incoming) => {
      const known = await identify(incoming);
      const call = parseCall(spec, incoming);
      const { found } = await load(spec, call, known, incoming, async (statement) => {
        const [rows] = await readInSystem('platform', [statement]);
        return rows ?? [];
      });
      return spec.handle({ ...call, ...found, principal: known.principal });
    },
  };
}

export function platformWrite<
  P extends Shape = Nothing,
  Q extends Shape = Nothing,
  B extends Shape = Nothing,
>(spec: Write<P, Q, B>): Route {
  return {
    ...spec,
    scope: 'platform',
    serve: async (incoming) => {
      const known = await identify(incoming);
      const call = await allFaults(spec, known, incoming);
      const key = idempotencyKeyOf(
        incoming.request,
        known.credential.principalId,
        `${spec.method} ${spec.path}`,
      );
      const keep = async (thrown: unknown) => {
        if (key) await inSystem('platform', ({ sql }) => rememberRefusal(sql, key, thrown, incoming));
      };
      const act = () =>
        inSystem('platform', async (system) => {
          const replayed = key && (await claim(system.sql, key));
          if (replayed) return replayed;
          const { found, rule } = await load(spec, call, known, incoming, ({ text, values }) =>
            system.sql(text, values),
          );
          const answer = await spec.handle({
            ...call,
            ...found,
            principal: known.principal,
            system,
            log: incoming.log,
          });
          if (answer.unchanged) throw new RollBack(answer);
          await auditInSystem(
            system.sql,
            eventOf(spec, answer, known, rule, incoming),
            tenantOf(spec, answer),
          );
          if (key) await remember(system.sql, key, answer);
          return answer;
        });
      return settled(act, keep);
    },
  };
}

async function allFaults<P extends Shape, Q extends Shape, B extends Shape>(
  spec: Write<P, Q, B>,
  known: Known,
  incoming: Incoming,
): Promise<Call<P, Q, B>> {
  try {
    return parseCall(spec, incoming);
  } catch (thrown) {
    if (!spec.alsoCheck || !(thrown instanceof Refusal) || thrown.errors.length === 0) throw thrown;
    // What the directory knows is told only to who may do this at all.
    permitted(spec, { rows: [] }, known, incoming);
    const more = await spec.alsoCheck(bodyOf(incoming.request));
    throw new Refusal(thrown.code, thrown.message, { errors: [...thrown.errors, ...more] });
  }
}

async function identify(incoming: Incoming): Promise<Known> {
  const asker = await askerOf(incoming);
  const ask = async (one: Statement) =>
    (await readInTenant(asker.place, [one]).catch(goneIsInvalid))[0] ?? [];
  const [row] = await ask(credentialStatement(asker));
  return knownAsker(asker, row, incoming, ask);
}

async function load<P extends Shape, Q extends Shape>(
  spec: Permitted & Loading<P, Q> & { method: string; params?: P },
  call: Call<P, Q, Shape>,
  known: Known,
  incoming: Incoming,
  run: (statement: Statement) => Promise<Row[]>,
): Promise<{ found: Found; rule: string }> {
  const rows = spec.load ? await run(spec.load({ params: call.params, query: call.query })) : [];
  return permitted(spec, { rows }, known, incoming);
}

/** Whose trail it also is: the tenant that was named, or the one that was acted on. */
function tenantOf({ permit: [, type] }: Permitted, { audit = {} }: Answer): string | undefined {
  return audit.tenantId ?? (type === 'Tenant' ? audit.id : undefined);
}
