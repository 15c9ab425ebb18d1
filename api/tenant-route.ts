import { auditInTenant } from '../models/audit.ts';
import type { Row, Statement } from '../models/batch.ts';
import { keyringOf, noKeyring } from '../models/keyring.ts';
import { inTenant, readInTenant, type TenantScope } from '../models/scope.ts';
import { takeTurn } from '../models/tenant/turn.ts';
import { hiddenFields } from '../policies/authorize.ts';
import type { Action } from '../policies/permission.ts';
import { claim, type IdempotencyKey, idempotencyKeyOf, remember, rememberRefusal } from './idempotency.ts';
import { given, readAs } from './loading.ts';
import { decide, opened, permitted } from './permitted.ts';
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
import type { Read, Write } from './tenant-call.ts';

/**
 * Routes inside a tenant. The credential is looked up in the very transaction that reads or changes what was asked
 * for, in the tenant of the token and nowhere else: there is no request in which another tenant's table exists, and
 * no cached right. A read is one round trip to the database (models/batch.ts).
 */
export function tenantRead<P extends Shape = Nothing, Q extends Shape = Nothing>(spec: Read<P, Q>): Route {
  return {
    ...spec,
    scope: 'tenant',
    serve: async (incoming) => {
      const asker = await askerOf(incoming);
      const call = await parsed(spec, asker, incoming);
      const { known, rows } = await readAs(spec, call, asker, incoming);
      const { found } = permitted(spec, { rows }, known, incoming);
      const keyring = spec.withoutKey ? noKeyring : await keyringOf(asker.place);
      return spec.handle({ ...call, ...opened(keyring, found), ...about(spec, known, asker), keyring });
    },
  };
}

export function tenantWrite<
  P extends Shape = Nothing,
  Q extends Shape = Nothing,
  B extends Shape = Nothing,
  D = undefined,
>(spec: Write<P, Q, B, D>): Route {
  return {
    ...spec,
    scope: 'tenant',
    serve: async (incoming) => {
      const asker = await askerOf(incoming);
      const call = await parsed(spec, asker, incoming);
      const prepared = await beforehand(spec, call, asker, incoming);
      const state: { key?: IdempotencyKey | undefined } = {};
      return settled(
        () =>
          inTenant(asker.place, (tenant) =>
            write(spec, call, { asker, tenant, state, prepared }, incoming),
          ).catch(goneIsInvalid),
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

/** What is asked of the outside is asked only for whoever may do the act, and asked again when it is done. */
async function beforehand<P extends Shape, Q extends Shape, B extends Shape, D>(
  spec: Write<P, Q, B, D>,
  call: Call<P, Q, B>,
  asker: Asker,
  incoming: Incoming,
): Promise<D> {
  // Without the hook, D is undefined by default.
  if (!spec.prepare) return undefined as D;
  const ask = async (one: Statement) =>
    (await readInTenant(asker.place, [one]).catch(goneIsInvalid))[0] ?? [];
  const [who] = await ask(credentialStatement(asker));
  const known = await knownAsker(asker, who, incoming, ask);
  const told = about(spec, known, asker);
  const made = spec.makes?.({ body: call.body, me: told.me });
  const keyring = await keyringOf(asker.place);
  const rows = spec.load
    ? await ask(spec.load({ ...call, ...given(spec, known, told.tenantId), keyring }))
    : [];
  const { found } = permitted(spec, { rows, made }, known, incoming);
  return spec.prepare({ ...call, ...opened(keyring, found), ...told, keyring });
}

type Writing<D> = {
  asker: Asker;
  tenant: TenantScope;
  state: { key?: IdempotencyKey | undefined };
  prepared: D;
};

async function write<P extends Shape, Q extends Shape, B extends Shape, D>(
  spec: Write<P, Q, B, D>,
  call: Call<P, Q, B>,
  { asker, tenant, state, prepared }: Writing<D>,
  incoming: Incoming,
): Promise<Answer> {
  const run = ({ text, values }: Statement) => tenant.sql<Row>(text, values);
  const who = await identified(spec, asker, tenant);
  const known = await knownAsker(asker, who, incoming, run);
  const { principalId } = known.credential;
  const keyring = await keyringOf(asker.place);
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
    spec.load ? run(spec.load({ ...call, ...given(spec, known, told.tenantId), keyring })) : [];
  const { found, rule } = early ?? judge(await loaded());
  const insist = (action: Action, object: Record<string, unknown>) => {
    decide(known, { permit: [action, spec.permit[1]], object }, incoming);
  };
  const answer = await spec.handle({
    ...call,
    ...opened(keyring, found),
    ...told,
    keyring,
    tenant,
    insist,
    prepared,
  });
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
export async function parsed<P extends Shape, Q extends Shape, B extends Shape>(
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
