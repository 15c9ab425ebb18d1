import { inTenant, type Place, type Sql } from '../models/scope.ts';
import { mirrorRequest } from '../models/system/quota-request.ts';
import { settleLimits } from '../models/tenant/limit-watch.ts';
import { decisionDue, raise, settle, takeBack } from '../models/tenant/quota-raise.ts';
import { wakeTold } from '../temporal/told.ts';
import { activity, type Close, placeFor, type Step } from './activity.ts';
import { closeErrand } from './errand.ts';
import { releaseRunsNow } from './run/release.ts';

/** A request for more of a limit, as its errand goes on with it (workflows/raise-quota.ts). */
type Asking = { quotaRequestId: string };

/** Until when a decision is waited for, by the row; nothing when there is one, or the request is no more. */
export const lookAtQuotaRequest = activity(
  ['create', 'QuotaRequest'],
  async ({ tenantId, quotaRequestId }: Step & Asking): Promise<{ until?: string }> => {
    const place = await placeFor(tenantId);
    const due = await inTenant(place, ({ sql }) => decisionDue(sql, quotaRequestId));
    await mirrorRequest(place, quotaRequestId);
    return due ? { until: due.toISOString() } : {};
  },
);

export const carryOutQuotaRequest = activity(
  ['update', 'Quota'],
  async ({ tenantId, quotaRequestId }: Step & Asking): Promise<{ until?: string }> => {
    const place = await placeFor(tenantId);
    const { until } = await changing(place, quotaRequestId, (sql) => raise(sql, quotaRequestId));
    return until ? { until: until.toISOString() } : {};
  },
);

export const closeQuotaRequest = activity(
  ['update', 'Quota'],
  async ({ quotaRequestId, ...close }: Close & Asking, by) => {
    const place = await placeFor(close.tenantId);
    const settled = await changing(place, quotaRequestId, async (sql) => {
      const done = await settle(sql, quotaRequestId);
      if (!done) throw new Error('The request is still open.');
      return done;
    });
    const subject = { type: 'QuotaRequest', id: quotaRequestId };
    await closeErrand({ close, by, state: 'succeeded', subject, result: { outcome: settled.outcome } });
  },
);

export type WithdrawingQuotaRequest = Close & Asking & { outcome: 'failed' | 'cancelled'; reason: string };

/** Nothing is raised any more, and the request says that nothing came of it. */
export const withdrawQuotaRequest = activity(
  ['update', 'Quota'],
  async ({ quotaRequestId, outcome, reason, ...close }: WithdrawingQuotaRequest, by) => {
    const place = await placeFor(close.tenantId);
    const becomes = outcome === 'failed' ? 'failed' : 'withdrawn';
    await changing(place, quotaRequestId, async (sql) => ({
      changed: await takeBack(sql, quotaRequestId, becomes),
    }));
    await closeErrand({
      close,
      by,
      state: outcome,
      subject: { type: 'QuotaRequest', id: quotaRequestId },
      reason,
    });
  },
);

/** What is restricted follows from limits as they stand now; operators and people are told, and what was held goes on. */
async function changing<Done extends { changed: boolean }>(
  place: Place,
  quotaRequestId: string,
  act: (sql: Sql) => Promise<Done>,
): Promise<Done> {
  const done = await inTenant(place, async ({ sql }) => {
    const acted = await act(sql);
    if (acted.changed) await settleLimits(sql);
    return acted;
  });
  await mirrorRequest(place, quotaRequestId);
  if (done.changed) {
    await wakeTold(place.tenantId);
    await releaseRunsNow(place);
  }
  return done;
}
