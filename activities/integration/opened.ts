import { keyringOf } from '../../models/keyring.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { type Integration, integrationToUse } from '../../models/tenant/integration.ts';
import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import { type EgressLimits, egressOf } from '../egress/egress.ts';
import { egressRulesOf } from '../egress/rules.ts';
import { type Connection, connectionOf } from './connection.ts';

/** A stored integration, opened with its secret and the guarded way to it. */
export type Opened = { integration: Integration; connection: Connection };
type Asked = {
  actor: Principal;
  agentId?: string | undefined;
  requestId?: string;
  limits?: Partial<EgressLimits>;
};

export async function openIntegration(
  place: Place & { region?: string },
  id: string,
  { actor, agentId, requestId, limits }: Asked,
): Promise<Opened> {
  const [integration, keyring, rules] = await Promise.all([
    inTenant(place, ({ sql }) => integrationToUse(sql, id)),
    keyringOf(place),
    egressRulesOf(place, agentId === undefined ? {} : { agentId }),
  ]);
  if (!integration) throw new Refusal('not-found', `There is no integration ${id} (any more).`);
  const purpose = { actor, subject: { type: 'Integration', id } as const, ...(requestId && { requestId }) };
  const egress = egressOf(place, purpose, rules, limits && { limits });
  return { integration, connection: connectionOf(place, keyring, integration, egress) };
}

/** For use, as opposed to checking: what was never tried, or is past its end, is not used. */
export function insistUsable({ id, state, expires_at }: Integration): void {
  if (state === 'unverified')
    throw new Refusal(
      'conflict',
      `Integration ${id} was saved without being checked; check it, and use it then.`,
    );
  if (expires_at && expires_at <= new Date())
    throw new Refusal('conflict', `The credential of integration ${id} has ended; give it a new one.`);
}
