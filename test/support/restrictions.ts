import { newId } from '../../models/ids.ts';
import { inTenant } from '../../models/scope.ts';
import { ownSource } from '../../models/tenant/usage.ts';
import { announceRestrictions, beginRestriction } from '../../models/tenant/usage-restriction.ts';
import { takeReadings } from '../../models/tenant/usage-taking.ts';
import type { QuotaRule } from '../../policies/quotas.ts';
import type { Restriction } from '../../policies/usage-restriction.ts';
import { limitedBy } from './limited.ts';
import { placed } from './people.ts';
import { reading } from './usage.ts';

/** A restriction as the watch would begin it, without the usage that makes it. */
export async function restricted(tenantId: string, change: Partial<Restriction>): Promise<string> {
  const id = newId('rsn');
  const made = {
    id,
    key: id,
    scope: 'tenant' as const,
    scopeId: '',
    measure: 'refuse' as const,
    cause: 'limit' as const,
    madeBy: 'tenant' as const,
    quotaId: 'plan.tokens',
    data: { at: 100, meter: 'tokens' as const, limit: 1_000, used: 1_000, window: 'month' as const },
    since: new Date(),
    until: null,
    ...change,
  };
  await inTenant(await placed(tenantId), async ({ sql }) => {
    await beginRestriction(sql, made);
    await announceRestrictions(sql);
  });
  return id;
}

export const limited = async (tenantId: string, limit: Partial<QuotaRule>): Promise<void> =>
  limitedBy(await placed(tenantId), limit);

/** So much of a meter, as if an act had used it just now. */
export const used = async (tenantId: string, more: Parameters<typeof reading>[0]): Promise<void> => {
  await inTenant(await placed(tenantId), ({ sql }) =>
    takeReadings(sql, [reading({ source: ownSource, ...more })]),
  );
};
