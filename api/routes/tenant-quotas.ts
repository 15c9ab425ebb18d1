import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { placeOf, tenantById } from '../../models/system/tenant.ts';
import { settleLimits } from '../../models/tenant/limit-watch.ts';
import { type QuotaSetting, setQuota } from '../../models/tenant/quota-change.ts';
import { quotaList } from '../../models/tenant/quota-list.ts';
import { askIn, foresee } from '../../models/tenant/quota-overview.ts';
import { type PlanLimit, planLimitNames, planLimits, planQuotaId } from '../../policies/quotas.ts';
import { Refusal } from '../../policies/refusal.ts';
import { endErrands } from '../errands.ts';
import { followLimits } from '../limits-changed.ts';
import { platformRead, platformWrite } from '../platform-route.ts';
import { etag } from '../present.ts';
import { presentQuota, quota, quotaId, quotaSetting } from '../quota.ts';
import { requireVersion } from '../route.ts';
import { reason } from '../settings.ts';
import { dryRun } from '../shapes.ts';
import { tenantParams } from './tenants.ts';

const tag = 'Limits';
const params = tenantParams.extend({ quotaId });

export const listTenantQuotas = platformRead({
  method: 'get',
  path: '/tenants/:tenantId/quotas',
  tag,
  summary: 'Every limit of an organisation, and how much of it is gone',
  permit: ['read', 'TenantQuota'],
  params: tenantParams,
  answers: { 200: z.object({ items: z.array(quota) }) },
  load: ({ params: { tenantId } }) => tenantById(tenantId),
  handle: async ({ row }) => {
    const place = await insistLiving(row);
    return { status: 200, body: { items: await presented(place, await quotasIn(place)) } };
  },
});

export const readTenantQuota = platformRead({
  method: 'get',
  path: '/tenants/:tenantId/quotas/:quotaId',
  tag,
  summary: 'One limit of an organisation',
  permit: ['read', 'TenantQuota'],
  params,
  answers: { 200: quota },
  load: ({ params: { tenantId } }) => tenantById(tenantId),
  handle: async ({ row, params: { quotaId: id } }) => {
    const place = await insistLiving(row);
    const [found] = await presented(place, await quotasIn(place, id));
    if (!found) throw notThere();
    return { status: 200, body: found, headers: etag(found.version) };
  },
});

export const putTenantQuota = platformWrite({
  method: 'put',
  path: '/tenants/:tenantId/quotas/:quotaId',
  tag,
  summary: 'Set an organisation’s limit over its plan’s, for good or for a time',
  permit: ['update', 'TenantQuota'],
  params,
  query: z.strictObject({ dryRun }),
  body: quotaSetting.extend({ reason }),
  answers: { 200: quota },
  load: ({ params: { tenantId } }) => tenantById(tenantId),
  handle: async ({ row: tenant, params: { tenantId, quotaId: id }, query, body, ...call }) => {
    const place = await insistLiving(tenant);
    const [found] = await quotasIn(place, id);
    const plan = planLimitNames.find((name) => planQuotaId(name) === id);
    if (!found && !plan) throw notThere();
    if (found) requireVersion(call, Number(found.version));
    if (found?.origin === 'tenant')
      throw new Refusal('conflict', 'This limit is one of the organisation’s own, which it changes itself.');
    const { reason: why, ...setting } = body;
    const [before] = await presented(place, found ? [found] : []);
    insistOnRaise(before?.raised ?? null, setting);
    if (query.dryRun) {
      const [tried] = await presented(place, [wouldBe(found, { id, plan }, setting)]);
      if (!tried) throw notThere();
      return { status: 200, body: tried, unchanged: true };
    }
    // In the organisation's own database, and committed at once: the same asked again comes to the same.
    const { quota: set, ended } = await setQuota(
      place,
      { id, plan: found ? undefined : plan, now: new Date() },
      setting,
    );
    const [after] = await presented(place, set ? [set] : []);
    if (!after) throw notThere();
    return {
      status: 200,
      body: after,
      headers: etag(after.version),
      audit: { id, tenantId, reason: why, before: before ? saidOf(before) : {}, after: saidOf(after) },
      afterCommit: async () => {
        await endErrands({ tenantId, kind: 'raise-quota', operationIds: ended });
        await inTenant(place, ({ sql }) => settleLimits(sql));
        await followLimits(place);
      },
    };
  },
});

/** Whoever lowers a limit in a hurry is not to believe that it holds while an older raise still does. */
function insistOnRaise(
  raised: ReturnType<typeof presentQuota>['raised'],
  { amount, raised: said }: QuotaSetting,
): void {
  if (said && said.to <= amount) {
    const detail = `A raise gives more for a time than the ${amount} that hold for good; leave it out, or raise to more.`;
    throw new Refusal('unprocessable', detail, {
      errors: [{ pointer: '/raised/to', code: 'too-small', detail: `must be more than ${amount}` }],
    });
  }
  if (!raised || said !== undefined || amount >= Number(raised.to)) return;
  throw new Refusal(
    'conflict',
    `A raise to ${raised.to} holds until ${raised.until}, so ${amount} would hold only then. Send "raised": null to end the raise now, or the raise as it is to keep it.`,
  );
}

const quotasIn = (place: Place, id?: string): Promise<Row[]> => askIn(place)(quotaList(place.tenantId, id));

async function presented(place: Place, rows: readonly Row[]) {
  return (await foresee(askIn(place), place.tenantId, rows)).map(presentQuota);
}

async function insistLiving({ id, state }: Row): Promise<Place> {
  const place = state === 'active' || state === 'suspended' ? await placeOf(String(id)) : undefined;
  if (place) return place;
  throw new Refusal('conflict', `The organisation is ${state}; it has no limits.`);
}

/** What a setting would come to; of a plan's limit that is not there yet, what it is made as. */
function wouldBe(
  found: Row | undefined,
  { id, plan }: { id: string; plan: PlanLimit | undefined },
  to: QuotaSetting,
): Row {
  const now = new Date();
  const made = plan && { meter: planLimits[plan].meter, time_window: planLimits[plan].window };
  const fresh = {
    ...{ id, zone: 'UTC', scope: 'tenant', scope_id: '', hard: true, unreachable: 'refuse', version: 0 },
    ...made,
  };
  const blank = { ...fresh, thresholds: [80, 90, 100], created_at: now, at: now, starts: now, taken: null };
  const { amount, hard, unreachable, raised } = to;
  return {
    ...(found ?? blank),
    origin: 'operator',
    amount,
    ...(hard === undefined ? {} : { hard }),
    ...(unreachable === undefined ? {} : { unreachable }),
    ...(raised === undefined
      ? {}
      : { raised_to: raised?.to ?? null, raised_until: raised ? new Date(raised.until) : null }),
  };
}

const saidOf = ({ amount, raised, hard, unreachable }: ReturnType<typeof presentQuota>) => ({
  ...{ amount, raised, hard, unreachable },
});

const notThere = () => new Refusal('not-found', 'There is nothing at this address.');
