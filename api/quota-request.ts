import { z } from 'zod';
import type { Row, Statement } from '../models/batch.ts';
import type { Keyring } from '../models/keyring.ts';
import { foreseenOf, hoursOf } from '../models/tenant/quota-forecast.ts';
import { type Decider, reasonOf } from '../models/tenant/quota-request.ts';
import { type Standing, standingById, standingOf } from '../models/tenant/quota-standing.ts';
import {
  daysUntil,
  planLimitOf,
  priceOf,
  requestStates,
  type Wish,
  wishFaults,
} from '../policies/quota-request.ts';
import { Refusal } from '../policies/refusal.ts';
import { iso } from './present.ts';
import { id, moment, pagingBy } from './shapes.ts';

/** Requests for more of a limit over REST: what both sides see of them, and what they would come to. */
export const quotaRequest = z
  .object({
    id: id('qrq'),
    operationId: id('op'),
    quotaId: z.string(),
    amount: z.int(),
    until: moment.nullable().meta({ description: 'Null: without an end.' }),
    reason: z.string(),
    ownerId: z.string(),
    state: z.enum(requestStates),
    decidedBy: z.enum(['operator', 'rule']).nullable(),
    decisionReason: z.string().nullable(),
    granted: z.int().nullable(),
    grantedUntil: moment.nullable(),
    raisedAt: moment.nullable(),
    createdAt: moment,
    decidedAt: moment.nullable(),
    endedAt: moment.nullable(),
  })
  .meta({ id: 'QuotaRequest' });

/** How lists of them are asked for, whoever asks. */
export const requestFilter = { ...pagingBy('qrq'), state: z.enum(requestStates).optional() };

export function presentRequest(keyring: Keyring, row: Row) {
  const decider = row.decided_by as Decider | null; // written from this type
  return {
    id: row.id,
    operationId: row.operation_id,
    quotaId: row.quota_id,
    amount: Number(row.amount),
    until: iso(row.until),
    reason: reasonOf(keyring, row),
    ownerId: row.owner_id,
    state: row.state,
    decidedBy: decider && (decider.kind === 'rule' ? 'rule' : 'operator'),
    decisionReason: row.decision_reason ?? null,
    granted: row.granted === null ? null : Number(row.granted),
    grantedUntil: iso(row.granted_until),
    raisedAt: iso(row.raised_at),
    createdAt: iso(row.created_at),
    decidedAt: iso(row.decided_at),
    endedAt: iso(row.ended_at),
  };
}

const price = z
  .object({
    currency: z.string(),
    perMonthMinor: z.int(),
    totalMinor: z.int().nullable().meta({ description: 'For the time asked for; null without an end.' }),
  })
  .nullable()
  .meta({ description: 'In minor units of the currency; null where the plan has no price for it.' });
const exhaustedAt = z.object({ before: moment.nullable(), after: moment.nullable() });

export const raiseEffect = z.object({
  price,
  limit: z.object({ before: z.int(), after: z.int() }),
  exhaustedAt: exhaustedAt.meta({
    description: 'When it will be used up as things go; now if it is already; null: not in this window.',
  }),
});

type Ask = (statement: Statement) => Promise<Row[]>;

/** The limit as it stands; refused where there is none of this id. */
export async function insistOnQuota(ask: Ask, tenantId: string, quotaId: string): Promise<Standing> {
  const [row] = await ask(standingById(tenantId, quotaId));
  if (row) return standingOf(row);
  const detail = 'there is no such limit; GET /v1/quotas lists them';
  throw new Refusal('unprocessable', 'This limit is not there.', {
    errors: [{ pointer: '/quotaId', code: 'unknown', detail }],
  });
}

export function insistAskable(wish: Wish, { rule }: Standing, now: Date): void {
  const errors = wishFaults(wish, { ...rule, now });
  if (errors.length > 0)
    throw new Refusal('unprocessable', 'More of this limit cannot be had like this; each fault is listed.', {
      errors,
    });
}

/** What it costs and what it brings, of a raise that is not made yet. */
export async function effectOf(ask: Ask, tenantId: string, wish: Wish, standing: Standing, now: Date) {
  const { rule, plan, amount: before } = standing;
  const after = Math.max(before, wish.amount);
  const hours = await ask(hoursOf(tenantId, [standing]));
  const exhaustion = (amount: number) => {
    const { exhausted, exhaustedAt } = foreseenOf({ ...standing, amount }, hours, now);
    return iso(exhausted ? now : exhaustedAt);
  };
  return {
    price: priceOf(plan, planLimitOf(rule.id), wish.amount - rule.amount, daysUntil(wish.until, now)),
    limit: { before, after },
    exhaustedAt: { before: exhaustion(before), after: exhaustion(after) },
  };
}
