import { egressOf } from '../../activities/egress/egress.ts';
import { checkIntegration } from '../../activities/integration/check.ts';
import type { Place } from '../../models/scope.ts';
import { failedVerdict, type IntegrationKind, type Targets } from '../../policies/integration.ts';

const purpose = {
  actor: { kind: 'user', id: 'usr_x', tenantId: 'ten_x' },
  subject: { type: 'Integration' },
} as const;
const limits = { totalMs: 5_000, idleMs: 3_000, responseBytesMax: 100_000 };

/** What a check finds of an integration that is about to be saved, and the stage at which it stopped. */
export async function checkedIn<K extends IntegrationKind>(
  place: Place,
  kind: K,
  target: Targets[K],
  credential: string,
) {
  const rules = { allowedHosts: null, allowedPorts: [443] };
  const egress = egressOf(place, purpose, rules, { limits });
  const { verdicts, certificateUntil } = await checkIntegration({
    kind,
    target,
    credentials: [credential],
    egress,
  });
  return { failed: failedVerdict(verdicts)?.stage, certificateUntil, verdicts };
}
