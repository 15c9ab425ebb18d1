import { AsyncLocalStorage } from '@temporalio/workflow';
import type { Principal, SystemActor } from '../policies/principal.ts';
import type { Ledger } from './ledger.ts';

/**
 * In whose name the workflow acts at this point, and which ledger its steps are written to. The interceptors read
 * it for every activity, so a workflow names the actor once, around a stretch of work, and cannot forget it.
 */
export type Acting = {
  /** Absent only for a workflow that was started past temporal/start.ts: its activities are refused. */
  principal?: Principal;
  ledger?: Ledger;
  /** True while effects are taken back: then an activity's success strikes out the steps that it undoes. */
  undoing: boolean;
};

const storage = new AsyncLocalStorage<Acting>();

export function acting(): Acting {
  return storage.getStore() ?? { undoing: false };
}

export function actAs<T>(change: Partial<Acting>, act: () => T): T {
  return storage.run({ ...acting(), ...change }, act);
}

/** A named part of Freehold that finishes what the current principal asked for. */
export function systemActor(id: SystemActor): Principal {
  const { principal } = acting();
  const onBehalfOf = principal?.kind === 'system' ? (principal.onBehalfOf ?? principal.id) : principal?.id;
  return { kind: 'system', id, ...(onBehalfOf && { onBehalfOf }) };
}
