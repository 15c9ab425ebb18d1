import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import { chosenId, heldAmounts } from '../models/tenant/usage-reservation.ts';
import { type MeterName, meterNames, meterOf } from '../policies/meters.ts';
import { iso } from './present.ts';
import { id, moment } from './shapes.ts';

/** What other systems say before they use something, so that no limit is passed by it. */
const reservable = meterNames.filter(
  (name) => meterOf(name).reported && meterOf(name).enforcement === 'before',
);
const isReservable = (name: string): name is MeterName => reservable.some((each) => each === name);

export const reservationId = z
  .string()
  .regex(/^[\w.:-]{1,100}$/, 'must be 1 to 100 letters, digits, _, ., : or -');

const amountMax = 1_000_000_000_000;
const [secondsUsual, secondsMax] = [600, 86_400];
const amount = z.int('must be a whole number').max(amountMax, `must be at most ${amountMax}`);

export const newReservation = z.strictObject({
  id: reservationId.meta({
    description: 'Yours; asked again under it, the same is held once, anew for as long.',
  }),
  amounts: z
    .array(
      z.strictObject({
        meter: z
          .string()
          .refine(
            isReservable,
            `must be a meter that is limited before it is used: ${reservable.join(', ')}`,
          ),
        amount: amount.min(1, 'must be at least 1').meta({ description: 'What it may come to at most.' }),
        least: amount
          .min(1, 'must be at least 1')
          .optional()
          .meta({ description: 'So much will do, where not everything is left.' }),
      }),
    )
    .min(1, 'must name at least one meter')
    .max(reservable.length, 'must name each meter once')
    .refine((all) => new Set(all.map(({ meter }) => meter)).size === all.length, 'must name each meter once'),
  seconds: z
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(secondsMax, `must be at most ${secondsMax}`)
    .optional()
    .meta({
      description: `After so long it is given back, for its holder has ended; ${secondsUsual} unless said.`,
    }),
  agentId: id('agt').optional(),
  keyId: id('key').optional(),
  runId: id('run').optional(),
});
export type NewReservation = z.output<typeof newReservation>;
export const secondsOf = ({ seconds = secondsUsual }: NewReservation): number => seconds;

export const reservation = z
  .object({
    id: reservationId,
    state: z.enum(['held', 'settled', 'expired', 'unlimited']).meta({
      description:
        'Settled: used or given back. Unlimited: nothing that can be asked limits it, so nothing is held.',
    }),
    amounts: z.array(z.object({ meter: z.string(), amount: z.number() })).meta({
      description: 'What is held, and may be used; nothing is once it is over.',
    }),
    expiresAt: moment.nullable(),
  })
  .meta({ id: 'UsageReservation' });

export const presentReservation = (row: Row) => ({
  id: chosenId(row),
  state: row.state,
  amounts: heldAmounts(row),
  expiresAt: iso(row.expires_at),
});
