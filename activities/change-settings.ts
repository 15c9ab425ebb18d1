import { auditInTenant } from '../models/audit.ts';
import { inTenant } from '../models/scope.ts';
import { applyScheduled, dueAt, refuseScheduled } from '../models/tenant/scheduled-settings.ts';
import { takeTurn } from '../models/tenant/turn.ts';
import { Refusal } from '../policies/refusal.ts';
import { activity, type Close, placeFor, type Step } from './activity.ts';
import { closeErrand } from './errand.ts';

/** A change of settings at a time: in the name of whoever scheduled it, who has to be allowed to still. */
type Changing = { changeId: string };

/** When it is due, by the row; nothing when it has been called off. */
export const dueOfSettings = activity(
  ['update', 'Setting'],
  async ({ tenantId, changeId }: Step & Changing) => {
    const due = await inTenant(await placeFor(tenantId), ({ sql }) => dueAt(sql, changeId));
    return { due: due?.toISOString() };
  },
);

export const applySettings = activity(
  ['update', 'Setting'],
  async ({ changeId, ...close }: Close & Changing, by, requestId) => {
    const { tenantId, operationId } = close;
    const place = await placeFor(tenantId);
    const subject = { type: 'Setting', id: changeId };
    const outcome = await inTenant(place, async ({ sql }) => {
      await takeTurn(sql);
      const waited = await dueAt(sql, changeId);
      const applied = await applyScheduled(sql, place, changeId, by).catch(inOneSentence);
      if (waited)
        await auditInTenant(sql, {
          actor: by,
          action: 'update Setting',
          subject,
          outcome: 'done',
          requestId,
          operationId,
          details: { version: applied.version, scheduled: true },
        });
      return applied;
    });
    const { state, version } = outcome;
    const result = { outcome: state, ...(version && { version: String(version) }) };
    await closeErrand({ close, by, state: 'succeeded', subject, result });
  },
);

/** What is stored of it is the sentence alone, so the faults have to be in it. */
function inOneSentence(cause: unknown): never {
  if (!(cause instanceof Refusal) || cause.errors.length === 0) throw cause;
  const faults = cause.errors.map(({ pointer, detail }) => `${pointer.slice(1)} ${detail}`).join('; ');
  throw new Refusal(cause.code, `These settings can no longer hold: ${faults}.`, { cause });
}

export type WithdrawingSettings = Close & Changing & { outcome: 'failed' | 'cancelled'; reason: string };

/** Nothing has changed, and the change says why it never came into force. */
export const withdrawSettings = activity(
  ['update', 'Setting'],
  async ({ changeId, outcome, reason, ...close }: WithdrawingSettings, by) => {
    await inTenant(await placeFor(close.tenantId), ({ sql }) => refuseScheduled(sql, changeId, reason));
    await closeErrand({ close, by, state: outcome, subject: { type: 'Setting', id: changeId }, reason });
  },
);
