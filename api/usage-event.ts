import { z } from 'zod';
import { ownSource, type Reading } from '../models/tenant/usage.ts';
import type { UsageOwners } from '../models/tenant/usage-owners.ts';
import { ledgerId } from '../models/tenant/usage-reservation.ts';
import { type MeterName, meterNames, meterOf } from '../policies/meters.ts';
import type { Fault } from '../policies/refusal.ts';
import { pointerTo } from './body.ts';
import { faultsOf } from './faults.ts';
import { id, line } from './shapes.ts';
import { reservationId } from './usage-reservation.ts';

/**
 * What other systems report to the meter: CloudEvents 1.0 (JSON), of which `source` and `id` together make one reading of
 * a kind, `type` is the meter, and `data` what was used by what.
 */
const reported = meterNames.filter((name) => meterOf(name).reported);
// Thousands of times what one event can be of; beyond it a sender counts something else.
const valueMax = 1_000_000_000_000;
const textMax = 200;

const data = z.strictObject({
  value: z
    .int('must be a whole number')
    .min(0, 'must not be negative')
    .max(valueMax, `must be at most ${valueMax}`),
  agentId: id('agt').optional(),
  workflowId: id('wfl').optional(),
  runId: id('run').optional(),
  userId: id('usr').optional(),
  keyId: id('key').optional(),
  model: line(textMax).optional(),
  member: line(textMax).optional(),
  reservationId: reservationId.optional(),
});

const attributes = ['specversion', 'id', 'source', 'type', 'time', 'datacontenttype', 'data'];

/**
 * What else CloudEvents has (subject, dataschema, and extensions such as traceparent) says nothing of what was used and is
 * left out, as is what is null, which is not set. What is none of it stays, to be refused.
 */
function lookedAt(sent: unknown): unknown {
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent)) return sent;
  const further = ([name, value]: [string, unknown]) =>
    value === null || (/^[a-z0-9]+$/.test(name) && !attributes.includes(name) && typeof value !== 'object');
  return Object.fromEntries(Object.entries(sent).filter((entry) => !further(entry)));
}

const event = z
  .strictObject({
    specversion: z.literal('1.0', 'must be 1.0'),
    id: line(textMax),
    source: line(textMax).refine(
      (source) => source !== ownSource,
      `must not be “${ownSource}”, which are Freehold’s own acts`,
    ),
    type: z.string().refine(isReported, `must be a meter that others report to: ${reported.join(', ')}`),
    time: z.iso.datetime({ offset: true, error: 'must be a time like 2026-11-24T09:30:00Z' }).optional(),
    datacontenttype: z
      .string()
      .regex(/^application\/json *(;|$)/i, 'must be application/json')
      .optional(),
    data,
  })
  .refine(({ type, data: { member } }) => member === undefined || countsMembers(type), {
    path: ['data', 'member'],
    message: 'is only for meters that count members',
  });

function isReported(name: string): name is MeterName {
  return reported.some((each) => each === name);
}

const countsMembers = (name: MeterName): boolean => meterOf(name).aggregation === 'unique';

export type Judged = { id: string | null } & ({ reading: Reading } | { faults: Fault[] });

/** Every fault of an event, with a pointer into the body. */
export function judgeEvent(sent: unknown, at: number, now: Date): Judged {
  const pointer = (path: PropertyKey[]) => pointerTo(['events', at, ...path]);
  const parsed = event.safeParse(lookedAt(sent));
  if (!parsed.success) return { id: idOf(sent), faults: faultsOf(parsed.error, pointer) };
  const { id: eventId, source, type, time, data: told } = parsed.data;
  const { reservationId: held, ...used } = told;
  const moment = time === undefined ? now : new Date(time);
  return {
    id: eventId,
    reading: {
      ...{ source, id: eventId, meter: type, at: moment, ...used },
      ...(held !== undefined && { reservationId: ledgerId(held) }),
    },
  };
}

function idOf(sent: unknown): string | null {
  const given = typeof sent === 'object' && sent !== null && 'id' in sent ? sent.id : undefined;
  return typeof given === 'string' ? given : null;
}

const owned = ['agentId', 'workflowId', 'runId', 'userId', 'keyId'] as const;

/** What it names has to be, or to have been, of this organisation: sums by it would be of nothing. */
export function ownedOnly(judged: Judged, at: number, { ids, tags }: UsageOwners): Judged {
  if (!('reading' in judged)) return judged;
  const { reading } = judged;
  const faults = owned
    .filter((name) => reading[name] !== undefined && !ids.has(reading[name]))
    .map((name) => ({
      pointer: pointerTo(['events', at, 'data', name]),
      code: 'not-found',
      detail: `There is no ${reading[name]} in this organisation.`,
    }));
  if (faults.length > 0) return { id: judged.id, faults };
  return { id: judged.id, reading: { ...reading, tags: tags.get(reading.agentId ?? '') } };
}

export const idsIn = (all: readonly Judged[]): string[] => [
  ...new Set(
    all.flatMap((each) => ('reading' in each ? owned.flatMap((name) => each.reading[name] ?? []) : [])),
  ),
];
