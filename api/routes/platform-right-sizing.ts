import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import { monthsOfTenants, readTenantsUsage } from '../../models/system/usage.ts';
import { addedToLimits, levelsOfLimits, monthsMax, usedOfLimits } from '../../models/tenant/usage-months.ts';
import type { MeterName } from '../../policies/meters.ts';
import { planAt, plans } from '../../policies/plans.ts';
import {
  type Month,
  type RightSizing,
  rightSizing as sized,
  wholeMonths,
} from '../../policies/right-sizing.ts';
import { dayFrom } from '../../policies/usage-buckets.ts';
import { idleOf } from '../../policies/usage-report.ts';
import { platformRead } from '../platform-route.ts';
import { freshness, freshnessOf } from '../platform-usage.ts';
import { filterOf, tenantsQuery } from '../platform-usage-query.ts';
import { id, limit } from '../shapes.ts';
import { idleLimit, rightSizing } from '../usage-report-shape.ts';

/** Which organisations would pay less on another plan, and what all of them pay for and do not use. */
export const rightSizeTenants = platformRead({
  method: 'get',
  path: '/platform/usage/right-sizing',
  tag: 'Platform usage',
  summary:
    'Which plan each organisation’s last whole months would have cost least on, the greatest saving first; idle quota; last those of whom it says what is missing',
  permit: ['read', 'TenantUsage'],
  query: z.strictObject({ limit, ...tenantsQuery }),
  answers: {
    200: z
      .object({
        tenants: z.int().meta({ description: 'How many had a whole month to judge by.' }),
        savingMinor: z.int().meta({ description: 'Of all proposals together, a month.' }),
        idleMinor: z
          .int()
          .meta({ description: 'What of their plans’ prices a month stands for what is idle.' }),
        items: z.array(
          z.object({ tenantId: id('ten'), name: z.string(), ...rightSizing.shape, idle: z.array(idleLimit) }),
        ),
        freshness,
      })
      .meta({ id: 'RightSizing' }),
  },
  handle: async ({ query }) => {
    const filter = filterOf(query);
    const now = Date.now();
    const day = (months: number) => new Date(dayFrom(now, 'UTC', { months })).toISOString().slice(0, 10);
    const span = { from: day(-monthsMax - 1), until: day(0) };
    const asked = monthsOfTenants(addedToLimits, levelsOfLimits, span, filter);
    const { fresh, results } = await readTenantsUsage(filter, [asked]);
    const all = [...Map.groupBy(results.flat(), (row) => String(row.id))].map(([tenantId, own]) =>
      sizedTenant(tenantId, own),
    );
    all.sort((a, b) => savingOf(b) - savingOf(a) || Number(b.judged) - Number(a.judged));
    const items = all.map(({ judged: _, ...item }) => item);
    const sum = (of: (item: (typeof items)[number]) => number) =>
      items.reduce((total, item) => total + of(item), 0);
    const body = {
      tenants: all.filter(({ judged }) => judged).length,
      savingMinor: sum(savingOf),
      idleMinor: sum(({ idle }) => idle.reduce((total, { worthMinor }) => total + (worthMinor ?? 0), 0)),
      items: items.slice(0, query.limit),
      freshness: freshnessOf(fresh),
    };
    return { status: 200, body };
  },
});

const savingOf = ({ proposed }: Pick<RightSizing, 'proposed'>): number => proposed?.savingMinor ?? 0;

function sizedTenant(tenantId: string, rows: readonly Row[]) {
  const [{ name, plan: title, plan_version: version } = {}] = rows;
  const plan = planAt(String(title), Number(version));
  const months = wholeMonths(monthsIn(rows), monthsMax);
  const judged = months.length > 0;
  const most = (of: keyof Month['used']) => Math.max(0, ...months.map(({ used }) => used[of] ?? 0));
  const used = {
    ...{ agents: most('agents'), seats: most('seats'), runs: most('runs') },
    ...{ tokens: most('tokens'), storageBytes: most('storageBytes') },
  };
  const idle = judged ? idleOf(plan, used) : [];
  return { tenantId, name: String(name), ...sized({ plan, plans, months }), idle, judged };
}

/** Months without any use are months too, once use has begun; the rows come in their order. */
function monthsIn(rows: readonly Row[]): Month[] {
  const used = rows.filter(({ month }) => month !== null);
  return [...Map.groupBy(used, (row) => String(row.month))].map(([from, own]) => ({
    from: `${from}T00:00:00.000Z`,
    used: usedOfLimits((meter: MeterName) => Number(own.find((row) => row.meter === meter)?.value ?? 0)),
  }));
}
