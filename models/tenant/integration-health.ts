import { failedVerdict, warningDue } from '../../policies/integration.ts';
import type { Principal } from '../../policies/principal.ts';
import { auditInTenant } from '../audit.ts';
import type { Sql } from '../scope.ts';
import { type Found, integrationToUse } from './integration.ts';
import { noteCheck, noteWarned } from './integration-state.ts';
import { queueWebhook } from './webhook.ts';

/** What a check found is stored, and told once: when something begins to fail, and when something is about to end. */
export async function recordCheck(
  sql: Sql,
  id: string,
  found: NonNullable<Found>,
  actor: Principal,
): Promise<void> {
  const begins = await noteCheck(sql, id, found);
  if (begins) {
    const stage = failedVerdict(found.verdicts)?.stage ?? 'answer';
    await queueWebhook(sql, 'integration.failing', { integrationId: id, stage });
    await auditInTenant(sql, {
      actor,
      action: 'test',
      subject: { type: 'Integration', id },
      outcome: 'failed',
      details: { stage },
    });
  }
  await warn(sql, id, actor);
}

/** The nearer of the two ends counts; each mark is told of once. */
async function warn(sql: Sql, id: string, actor: Principal): Promise<void> {
  const stored = await integrationToUse(sql, id);
  if (!stored) return;
  const ends = [
    { what: 'certificate', until: stored.certificate_until },
    { what: 'credential', until: stored.expires_at },
  ];
  const [next] = ends
    .flatMap(({ what, until }) => (until ? [{ what, until }] : []))
    .toSorted((one, other) => one.until.getTime() - other.until.getTime());
  const days = next && warningDue(next.until, stored.warned_days, new Date());
  if (!next || days === undefined) return;
  await noteWarned(sql, id, days);
  const until = next.until.toISOString();
  await queueWebhook(sql, 'integration.expiring', { integrationId: id, what: next.what, until, days });
  await auditInTenant(sql, {
    actor,
    action: 'warn',
    subject: { type: 'Integration', id },
    outcome: 'done',
    details: { what: next.what, until, days },
  });
}
