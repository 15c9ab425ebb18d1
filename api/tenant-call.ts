import type { output } from 'zod';
import type { Row } from '../models/batch.ts';
import type { Keyring } from '../models/keyring.ts';
import type { Place, TenantScope } from '../models/scope.ts';
import type { Credential } from '../models/tenant/credential.ts';
import type { Action } from '../policies/permission.ts';
import type { Principal } from '../policies/principal.ts';
import type { Rights } from '../policies/rights.ts';
import type { Loading } from './loading.ts';
import type { Answer, Call, Declared, Nothing, Permitted, Shape } from './route.ts';

/** What routes inside a tenant are declared as, and what their handlers are told (api/tenant-route.ts). */
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
  /** What is sealed is opened with it; people in loaded rows have their names already. */
  keyring: Keyring;
  /** The fields of a row of the route's subject that may not be read. */
  hidden: (row: Row) => string[];
};

export type Read<P extends Shape, Q extends Shape> = Declared<P, Q, Nothing> &
  Permitted &
  Loading<P, Q> & {
    /** Answers also when the tenant's key cannot be used; nothing it shows may be sealed. */
    withoutKey?: true;
    handle: (call: TenantCall<P, Q, Nothing>) => Answer | Promise<Answer>;
  };

type WriteCall<P extends Shape, Q extends Shape, B extends Shape> = TenantCall<P, Q, B> & {
  tenant: TenantScope;
  /** Asks CASL about one more object of the route's subject: what a change would make of the one that was loaded. */
  insist: (action: Action, object: Record<string, unknown>) => void;
};

export type Write<P extends Shape, Q extends Shape, B extends Shape, D> = Declared<P, Q, B> &
  Permitted &
  Loading<P, Q> & {
    /**
     * Calls to the outside, for whoever may do this, before the transaction: it must not be held open by what does not
     * answer. What it returns is `prepared`; whatever it looked at may have changed by then.
     */
    prepare?: (call: TenantCall<P, Q, B>) => Promise<D>;
    /** What CASL is asked about where nothing is loaded: the object about to be made. */
    makes?: (given: { body: output<B>; me: string }) => Record<string, unknown>;
    /** Of changes of people and rights: one after the other in each tenant (models/tenant/turn.ts). */
    inTurn?: true;
    handle: (call: WriteCall<P, Q, B> & { prepared: D }) => Promise<Answer>;
  };
