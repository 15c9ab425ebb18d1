import { LRUCache } from 'lru-cache';
import type { output } from 'zod';
import type { Row, Statement } from '../models/batch.ts';
import { type Keyring, keyringOf, noKeyring } from '../models/keyring.ts';
import { readInTenant } from '../models/scope.ts';
import { type Visible, visibleTo } from '../models/visible.ts';
import { type Rights, rightsOfBuiltIn } from '../policies/rights.ts';
import { type Asker, credentialStatement, goneIsInvalid, type Known, knownAsker } from './principal.ts';
import type { Call, Incoming, Nothing, Permitted, Shape } from './route.ts';

/** What a route inside a tenant loads before CASL is asked, and how a read gets it together with the credential. */
type Given<P extends Shape, Q extends Shape> = {
  params: output<P>;
  query: output<Q>;
  tenantId: string;
  /** The id of whoever asks, or of the person whose key asks. */
  me: string;
  /** All ids of whoever asks: what belongs to one of them is their own. */
  ids: readonly string[];
  /** The rows of the route's subject that may be read, as a condition for the WHERE of a list. */
  visible: Visible;
  /** Of a read only where `keyed` says so: for what is found by keyed hashes. */
  keyring: Keyring;
};

export type Loading<P extends Shape, Q extends Shape> = {
  load?: (given: Given<P, Q>) => Statement;
  /** Needed by a `load` that uses `visible` or `me`: it cannot be sent before it is known who asks. */
  filtered?: boolean;
  /** Whether this `load` looks for keyed hashes: it is sent once it is known who asks, for only then is the key taken. */
  keyed?: (query: output<Q>) => boolean;
};

/** Rights of those who asked lately: with which a filtered statement is sent along before it is known who asks. */
const guesses = new LRUCache<string, Guess>({ max: 10_000 });
type Guess = { rights: Rights; ids: string[] };

/**
 * Credential and rows in one round trip. A list is filtered by what the asker could do last time; when the credential,
 * read in the same batch, says that this has changed, the list is read again by what is true now.
 */
export async function readAs<P extends Shape, Q extends Shape>(
  spec: Permitted & Loading<P, Q>,
  call: Call<P, Q, Nothing>,
  asker: Asker,
  incoming: Incoming,
): Promise<{ known: Known; rows: Row[] }> {
  const { place, token } = asker;
  const { load, filtered } = spec;
  const statementFor = (guess: Guess, keyring: Keyring) =>
    load?.({ ...call, ...given(spec, guess, token.tenantId), keyring });
  const keyed = spec.keyed?.(call.query) ?? false;
  const guess = keyed ? undefined : filtered ? guesses.get(token.hash) : nobody;
  const early = guess && statementFor(guess, noKeyring);
  const ask = async (statements: Statement[]) => readInTenant(place, statements).catch(goneIsInvalid);
  const [who, rows = []] = await ask([credentialStatement(asker), ...(early ? [early] : [])]);
  const known = await knownAsker(asker, who?.[0], incoming, async (one) => (await ask([one]))[0] ?? []);
  if (!keyed && (!filtered || known.rights === guess?.rights)) return { known, rows };
  guesses.set(token.hash, known);
  const statement = statementFor(known, keyed ? await keyringOf(place) : noKeyring);
  return { known, rows: statement ? ((await ask([statement]))[0] ?? []) : [] };
}

const nobody: Guess = { rights: rightsOfBuiltIn([]), ids: [] };

export function given({ permit: [, subject] }: Permitted, { rights, ids }: Guess, tenantId: string) {
  return { tenantId, me: ids.at(-1) ?? '', ids, visible: visibleTo(rights, subject, ids) };
}
