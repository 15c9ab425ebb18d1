import type { Place } from '../../models/scope.ts';
import { settingsOf } from '../../models/tenant/settings.ts';
import type { EgressRules } from '../../policies/egress.ts';
import type { Settings } from '../../policies/setting-inheritance.ts';

/** What the settings say of outgoing calls, read at the point of use: a change holds from the next call on. */
export async function egressRulesOf(place: Place, by: { agentId?: string } = {}): Promise<EgressRules> {
  return egressRulesIn(await settingsOf(place, by));
}

export const egressRulesIn = (settings: Settings): EgressRules => ({
  allowedHosts: settings.get('egress.allowedHosts'),
  allowedPorts: settings.get('egress.allowedPorts'),
});
