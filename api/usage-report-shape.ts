import { z } from 'zod';
import { aggregations, meterNames } from '../policies/meters.ts';
import { planLimitNames, quotaScopes, quotaWindows } from '../policies/quotas.ts';
import { bucketSizes } from '../policies/usage-buckets.ts';
import { id, moment } from './shapes.ts';
import { span, takenUntil } from './usage.ts';

/** The shape of a report. Money is in minor units of the currency, and may have fractions: a token costs less than a cent. */
const amount = z.number().nullable();
const minor = z
  .number()
  .nullable()
  .meta({ description: 'Minor units of the currency; null without prices.' });

const work = {
  tokens: z.number(),
  runs: z.number(),
  succeeded: z.number(),
  failed: z.number(),
  refused: z.number().meta({ description: 'Runs that a rule or a limit ended.' }),
  ended: z.number(),
  apiCalls: z.number(),
};
const worked = { ...work, costMinor: minor, costPerSuccessfulRunMinor: minor };
const consumer = z.object({ id: z.string(), ...worked }).meta({ id: 'UsageConsumer' });
const top = z.array(consumer);
const rest = z
  .object({
    others: z
      .object({ count: z.int(), ...worked })
      .nullable()
      .meta({ description: 'All that stand below the top.' }),
    nobody: z
      .object(worked)
      .nullable()
      .meta({ description: 'What names none: for people what keys and other systems used.' }),
  })
  .meta({ id: 'UsageOfTheRest' });

const efficiency = z.object({
  failedShare: amount,
  refusedShare: amount.meta({ description: 'Of the runs that ended, those that a rule or a limit ended.' }),
  cachedShare: amount.meta({ description: 'Of the tokens read, those that came from a cache.' }),
  tokensPerSuccessfulRun: amount,
  costPerSuccessfulRunMinor: minor,
});

const plan = { name: z.string(), version: z.int(), title: z.string() };
const compared = z.object({ ...plan, monthMinor: z.int() });
export const rightSizing = z.object({
  current: compared.nullable(),
  compared: z
    .array(compared)
    .meta({ description: 'Plans that the use of whole months fits into, cheapest first.' }),
  proposed: compared.extend({ savingMinor: z.int() }).nullable(),
  missing: z.array(z.string()).meta({ description: 'What would be needed to say more.' }),
});
export const idleLimit = z.object({
  limit: z.enum(planLimitNames),
  amount: z.number(),
  used: z.number(),
  idle: z.number(),
  idleShare: z.number(),
  worthMinor: z
    .int()
    .nullable()
    .meta({ description: 'What of the plan’s price a month stands for what is idle; null without prices.' }),
});

export const usageReport = z
  .object({
    organisation: z.object({ id: id('ten'), name: z.string() }),
    plan: z.object({ ...plan, currency: z.string().nullable(), monthMinor: z.int().nullable() }),
    ...span.shape,
    zone: z.string(),
    previous: span.meta({ description: 'The time before that it is compared with.' }),
    takenUntil,
    bucket: z.enum(bucketSizes),
    buckets: z.array(span),
    meters: z.array(
      z.object({
        meter: z.enum(meterNames),
        unit: z.string(),
        aggregation: z.enum(aggregations),
        about: z.string(),
        total: amount,
        previous: amount,
        change: amount.meta({ description: 'By how much of the time before: 0.25 is a quarter more.' }),
        values: z.array(amount),
        previousValues: z.array(amount),
        corrections: z.object({ readings: z.int(), value: z.number() }),
      }),
    ),
    limits: z
      .array(
        z.object({
          id: z.string(),
          meter: z.string(),
          window: z.enum(quotaWindows),
          windowMinutes: z.int().nullable(),
          scope: z.enum(quotaScopes),
          scopeId: z.string(),
          hard: z.boolean(),
          amount: z.number(),
          used: z.number(),
          reserved: z.number(),
          resetsAt: moment.nullable(),
          exhausted: z.boolean(),
          exhaustedAt: moment
            .nullable()
            .meta({ description: 'When it is used up, if it goes on like this.' }),
        }),
      )
      .nullable()
      .meta({ description: 'Null for whoever may not see everybody’s use, or limits.' }),
    top: z.object({ agents: top, workflows: top, users: top, keys: top, models: top }),
    rest: z
      .object({ agents: rest, workflows: rest, users: rest, keys: rest, models: rest })
      .meta({ description: 'What is missing from the top to all there was.' }),
    cost: z.object({
      currency: z.string().nullable(),
      usedMinor: minor,
      ...work,
      perSuccessfulRunMinor: minor,
      missing: z.array(z.string()),
    }),
    efficiency: z.object({ now: efficiency, before: efficiency }),
    idle: z
      .object({
        months: z.array(z.string()),
        limits: z.array(idleLimit),
        agents: z.object({ count: z.int(), ids: z.array(z.string()) }),
      })
      .nullable()
      .meta({ description: 'Null for whoever may not see everybody’s use.' }),
    rightSizing: rightSizing.nullable(),
    names: z.record(z.string(), z.string()),
    links: z.record(z.string(), z.string()),
  })
  .meta({ id: 'UsageReport' });
