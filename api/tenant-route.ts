import type { output } from 'zod';
import { auditInTenant } from '../models/audit.ts';
import type { Row, Statement } from '../models/batch.ts';
import { inTenant, type Place, readInTenant, type TenantScope } from '../models/scope.ts';
import type { Principal } from '../policies/principal.ts';
import { claim, type IdempotencyKey, idempotencyKeyOf, remember, rememberRefusal } from './idempotency.ts';
import {
  type Asker,
  askerOf,
  credentialStatement,
  goneIsInvalid,
  type Known,
  knownAsker,
  permitted,
} from './principal.ts';
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

/**
 * Routes inside a tenant. The credential is looked up in the very transaction that reads or changes what was asked
 * for, in the tenant of the token and nowhere else: there is no request in which another tenant's table exists, and
 * no cached right. A read is one round trip to the database (models/batch.ts).
 */
type Loading<P extends Shape, Q extends Shape> = {
  load?: (given: { params: output<P>; query: output<Q>; tenantId: string }) => Statement;
};

type TenantCall<P extends Shape, Q extends Shape, B extends Shape> = Call<P, Q, B> & {
  row: Row;
  rows: Row[];
  principal: Principal;
  roles: string[];
  credentialId: string;
  tenantId: string;
  place: Place;
};

type Read<P extends Shape, Q extends Shape> = Declared<P, Q, Nothing> &
  Permitted &
  Loading<P, Q> & { handle: (call: TenantCall<P, Q, Nothing>) => Answer | Promise<Answer> };

type Write<P extends Shape, Q extends Shape, B extends Shape> = Declared<P, Q, B> &
  Permitted &
  Loading<P, Q> & { handle: (call: TenantCall<P, Q, B> & { tenant: TenantScope }) => Promise<Answer> };

export function tenantRead<P extends Shape = Nothing, Q extends Shape = Nothing>(spec: Read<P, Q>): Route {
  return {
    ...spec,
    scope: 'tenant',
    serve: async (incoming) => {
      const asker = await askerOf(incoming);
      const call = await parsed(spec, asker, incoming);
      const { tenantId } = asker.token;
      const statements = spec.load ? [spec.load({ params: call.params, query: call.query, tenantId })] : [];
      const [who, rows = []] = await readInTenant(asker.place, [
        credentialStatement(asker),
        ...statements,
      ]).catch(goneIsInvalid);
      const known = await knownAsker(asker, who?.[0], incoming);
      const { found } = permitted(spec, rows, known, incoming);
      return spec.handle({ ...call, ...found, ...about(known, asker) });
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
      const { tenantId } = asker.token;
      const state: { key?: IdempotencyKey | undefined } = {};
      return storingRefusals(asker.place, state, incoming, () =>
        inTenant(asker.place, async (tenant) => {
          const run = ({ text, values }: Statement) => tenant.sql<Row>(text, values);
          const [who] = await run(credentialStatement(asker));
          const known = await knownAsker(asker, who, incoming);
          state.key = idempotencyKeyOf(
            incoming.request,
            known.credential.principalId,
            `${spec.method} ${spec.path}`,
          );
          const replayed = state.key && (await claim(tenant.sql, state.key));
          if (replayed) return replayed;
          const rows = spec.load
            ? await run(spec.load({ params: call.params, query: call.query, tenantId }))
            : [];
          const { found, rule } = permitted(spec, rows, known, incoming);
          const answer = await spec.handle({ ...call, ...found, ...about(known, asker), tenant });
          if (!answer.unchanged)
            await auditInTenant(tenant.sql, eventOf(spec, answer, known, rule, incoming));
          if (state.key) await remember(tenant.sql, state.key, answer);
          return answer;
        }).catch(goneIsInvalid),
      );
    },
  };
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
    const [who] = await readInTenant(asker.place, [credentialStatement(asker)]).catch(goneIsInvalid);
    await knownAsker(asker, who?.[0], incoming);
    throw fault;
  }
}

function about({ principal, roles, credential }: Known, { place, token }: Asker) {
  return { principal, roles, credentialId: credential.credentialId, tenantId: token.tenantId, place };
}

async function storingRefusals(
  place: Place,
  state: { key?: IdempotencyKey | undefined },
  { requestId }: Incoming,
  act: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await act();
  } catch (thrown) {
    const { key } = state;
    if (key) await inTenant(place, ({ sql }) => rememberRefusal(sql, key, thrown, requestId));
    throw thrown;
  }
}
