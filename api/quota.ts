import { z } from 'zod';
import { idPattern } from '../models/ids.ts';
import type { Listed } from '../models/tenant/quota-list.ts';
import type { Foreseen } from '../models/tenant/quota-overview.ts';
import { forecastBases } from '../policies/forecast.ts';
import { enforcementOf, holdsHow, limitable } from '../policies/quota-rules.ts';
import { windowOf } from '../policies/quota-window.ts';
import { planLimitNames, quotaOrigins, quotaScopes, quotaWindows, unitOf } from '../policies/quotas.ts';
import { changesNothing, changing, moment } from './shapes.ts';

/** Limits over REST: what is limited, how much of it is gone, and how it holds. */
const planned = new RegExp(`^plan\\.(${planLimitNames.join('|')})$`);
export const quotaId = z
  .string()
  .regex(new RegExp(`${planned.source}|${idPattern('qta').source}`), 'must be an id like qta_… or plan.runs');

const share = z.object({ scopeId: z.string(), used: z.number(), reserved: z.number(), free: z.number() });

const forecast = z
  .object({
    exhausted: z.boolean().meta({ description: 'It is used up, or passed.' }),
    exhaustedAt: moment.nullable().meta({
      description:
        'When it is used up, if it goes on like this; null: it is already, not within its window, or nobody can say.',
    }),
    perHour: z.number().meta({ description: 'What is expected in the hour to come.' }),
    basis: z.enum(forecastBases).meta({
      description: 'From the hours of some weeks, the last day, how a level grew; or nothing to go by.',
    }),
  })
  .meta({ description: 'Of one that is each for itself: of whoever is furthest.' });

export const quota = z
  .object({
    id: quotaId,
    meter: z.enum(limitable),
    unit: z.string(),
    origin: z
      .enum(quotaOrigins)
      .meta({ description: 'The plan, an operator over the plan, or the organisation.' }),
    window: z.enum(quotaWindows),
    windowMinutes: z.int().nullable(),
    zone: z.string(),
    windowStart: moment
      .nullable()
      .meta({ description: 'Null: of a level, of what is under way, of a rolling one.' }),
    resetsAt: moment.nullable(),
    scope: z.enum(quotaScopes),
    scopeId: z.string().nullable().meta({ description: 'Null: everybody, or each for itself.' }),
    limit: z.number().meta({ description: 'What holds now, a raise for a time included.' }),
    amount: z.number(),
    raised: z.object({ to: z.number(), until: moment }).nullable(),
    used: z.number().meta({ description: 'Of one that is each for itself: of whoever is furthest.' }),
    reserved: z.number().meta({ description: 'Held by what is under way.' }),
    free: z.number(),
    forecast,
    shares: z.array(share).meta({ description: 'Of one that is each for itself: those that are furthest.' }),
    hard: z.boolean(),
    enforcement: z.enum(['before', 'after']),
    unreachable: z
      .enum(['refuse', 'allow'])
      .meta({ description: 'What happens while the ledger cannot be asked.' }),
    holds: z.string().meta({ description: 'How it holds, in a sentence.' }),
    thresholds: z.array(z.int()),
    version: z.int(),
    createdAt: moment,
  })
  .meta({ id: 'Quota', description: 'A limit, and how much of it is gone.' });

const amount = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const thresholds = z
  .array(z.int().min(1).max(1_000))
  .max(10, 'must have at most ten')
  .transform((all) => [...new Set(all)].sort((a, b) => a - b))
  .meta({ description: 'Percent of the limit at which somebody is told.' });

const changeable = {
  amount: amount.optional(),
  hard: z.boolean().optional(),
  unreachable: z.enum(['refuse', 'allow']).optional(),
  thresholds: thresholds.optional(),
};

export const newQuota = z.strictObject({
  meter: z.enum(limitable),
  window: z.enum(quotaWindows),
  windowMinutes: z.int().min(1).max(44_640).nullable().default(null),
  zone: z.string().max(60).default('UTC'),
  scope: z.enum(quotaScopes).default('tenant'),
  scopeId: z.string().max(60).default('').meta({ description: 'Absent: of each for itself.' }),
  ...changeable,
  amount,
});
export const quotaChange = z.strictObject(changeable).refine(changing, changesNothing);

const until = moment.refine((at) => Date.parse(at) > Date.now(), 'must be in the future');
export const quotaSetting = z.strictObject({
  amount,
  hard: changeable.hard,
  unreachable: changeable.unreachable,
  raised: z
    .strictObject({ to: amount, until })
    .nullable()
    .optional()
    .meta({ description: 'More for a time; null takes it back.' }),
});

export function presentQuota({ listed, limit: { amount: limit }, forecast: seen }: Foreseen) {
  const { rule, now, windowStart, shares } = listed;
  const of = ({ used, reserved }: Listed['shares'][number]) => ({
    used,
    reserved,
    free: Math.max(0, limit - used - reserved),
  });
  const each = shares.map((one) => ({ scopeId: one.scopeId, ...of(one) }));
  const first = of(shares[0] ?? { scopeId: '', used: 0, reserved: 0 });
  const { id, meter, origin, window, windowMinutes, zone, scope, amount: said, hard, unreachable } = rule;
  const { end } = windowOf(rule, now);
  const raised = rule.raisedTo !== null && rule.raisedUntil !== null && rule.raisedUntil > now;
  return {
    ...{ id, meter, unit: unitOf(rule.meter), origin, window, windowMinutes, zone, scope },
    windowStart: end ? windowStart.toISOString() : null,
    resetsAt: end?.toISOString() ?? null,
    scopeId: rule.scopeId || null,
    limit,
    amount: said,
    raised: raised ? { to: rule.raisedTo, until: rule.raisedUntil?.toISOString() } : null,
    ...first,
    forecast: { ...seen, exhaustedAt: seen.exhaustedAt?.toISOString() ?? null },
    shares: scope === 'tenant' || rule.scopeId !== '' ? [] : each,
    ...{ hard, enforcement: enforcementOf(meter), unreachable, holds: holdsHow(rule) },
    ...{ thresholds: rule.thresholds, version: rule.version, createdAt: rule.createdAt.toISOString() },
  };
}
