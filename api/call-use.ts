import { noteUsed } from '../models/usage-journal.ts';
import type { Incoming } from './route.ts';

/** Whose request it is, from the moment their credential is known to be good. */
export type Caller = { tenantId: string; kind: 'key' | 'ses'; principalId: string };

/** Counts a request of somebody known once, refused or not, before its answer leaves. */
export function noteCall(incoming: Incoming): void {
  const { caller, routeClass: kind } = incoming;
  if (!caller) return;
  incoming.caller = undefined;
  const { tenantId, principalId } = caller;
  const by = caller.kind === 'key' ? { keyId: principalId } : { userId: principalId };
  noteUsed(tenantId, [
    { meter: 'api-calls', value: 1, kind, ...by },
    { meter: 'users.active', value: 1, member: principalId },
  ]);
}
