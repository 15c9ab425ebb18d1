import type { Keyring } from '../../models/keyring.ts';
import type { Place } from '../../models/scope.ts';
import { credentialsOf, type Integration } from '../../models/tenant/integration.ts';
import type { IntegrationKind, Stage, Targets } from '../../policies/integration.ts';
import type { Egress } from '../egress/egress.ts';

/** An integration opened to be used: where it leads, what opens it, and the guarded way there. */
export type Connection<K extends IntegrationKind = IntegrationKind> = {
  kind: K;
  /** Absent while it is being made. */
  id?: string;
  target: Targets[K];
  /** The first is the one in force; webhooks sign with the one before as well, for a while. */
  credentials: [string, ...string[]];
  egress: Egress;
  /** Where a token is kept; without it, one is asked for each time. */
  kept?: { place: Place; keyring: Keyring; version: number; sealed: Buffer | null };
};

export const isKind = <K extends IntegrationKind>(
  connection: Connection,
  kind: K,
): connection is Connection<K> => connection.kind === kind;

export function connectionOf(
  place: Place,
  keyring: Keyring,
  integration: Integration,
  egress: Egress,
): Connection {
  const { id, kind, target, version, token_sealed: sealed } = integration;
  const credentials = credentialsOf(keyring, integration);
  return { kind, id, target, credentials, egress, kept: { place, keyring, version, sealed } };
}

/** What the other side thinks of us, by stage. The detail is ours: nothing it said is passed on. */
export class CheckFailed extends Error {
  readonly stage: Stage;
  readonly detail: string | undefined;
  constructor(stage: Stage, detail?: string, cause?: unknown) {
    super(`the check failed at ${stage}`, { cause });
    this.name = 'CheckFailed';
    this.stage = stage;
    this.detail = detail;
  }
}
