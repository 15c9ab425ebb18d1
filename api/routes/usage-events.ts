import { z } from 'zod';
import type { Verdict } from '../../models/tenant/usage-ingest.ts';
import { usageOwners } from '../../models/tenant/usage-owners.ts';
import { takeReadings } from '../../models/tenant/usage-taking.ts';
import { pointerTo } from '../body.ts';
import { tenantWrite } from '../tenant-route.ts';
import { idsIn, type Judged, judgeEvent, ownedOnly } from '../usage-event.ts';
import { withinSeries, withinStorage } from '../usage-room.ts';

/** Other systems report what they used for the organisation; each event counts once, and each is answered for itself. */
const atOnceMax = 1_000;
const bodyBytesMax = 1024 * 1024;

const verdicts = ['accepted', 'duplicate', 'corrected', 'refused'] as const;
const answered = z.object({
  id: z.string().nullable(),
  verdict: z.enum(verdicts),
  faults: z.array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() })).optional(),
});
type Answered = z.output<typeof answered>;

const count = z.int();
const report = z
  .object({
    accepted: count,
    duplicate: count.meta({ description: 'Known already; counted once.' }),
    corrected: count.meta({ description: 'Too late for the sums of its day; kept beside them.' }),
    refused: count,
    items: z.array(answered),
  })
  .meta({ id: 'UsageReported' });

export const reportUsage = tenantWrite({
  method: 'post',
  path: '/usage/events',
  routeClass: 'events',
  tag: 'Usage',
  summary: 'Report what other systems used: each event counts once, by its source and id',
  permit: ['report', 'Usage'],
  bodyBytesMax,
  otherwise: {
    'application/cloudevents-batch+json': (events) => ({ events }),
    'application/cloudevents+json': (event) => ({ events: [event] }),
  },
  body: z.strictObject({
    events: z
      .array(
        z.unknown().meta({
          description:
            'A CloudEvent 1.0: specversion, id, source, type (the meter), time (absent: now), and data with value and, where known, agentId, workflowId, runId, userId, keyId and model. Other attributes are not looked at.',
        }),
      )
      .min(1, 'must have at least one event')
      .max(atOnceMax, `must have at most ${atOnceMax} events`),
  }),
  answers: { 200: report },
  handle: async ({ tenant: { sql }, body, principal }) => {
    const now = new Date();
    const shaped = body.events.map((each, at) => judgeEvent(each, at, now));
    const owners = await usageOwners(sql, idsIn(shaped));
    const owned = shaped.map((each, at) => ownedOnly(each, at, owners));
    const judged = await withinSeries(sql, await withinStorage(sql, owned, principal.id));
    const readings = judged.flatMap((each) => ('reading' in each ? each.reading : []));
    const told = (await takeReadings(sql, readings)).values();
    const items = judged.map((each, at) => itemOf(each, at, told));
    const of = (verdict: Answered['verdict']) => items.filter((item) => item.verdict === verdict).length;
    const counts = Object.fromEntries(verdicts.map((verdict) => [verdict, of(verdict)]));
    return { status: 200, body: { ...counts, items }, audit: { details: counts } };
  },
});

/** `told` are the verdicts on those without a fault, in their order. */
function itemOf(judged: Judged, at: number, told: Iterator<Verdict>): Answered {
  const { id } = judged;
  if ('faults' in judged) return { id, verdict: 'refused', faults: judged.faults };
  const { value } = told.next();
  if (value.verdict !== 'refused') return { id, verdict: value.verdict };
  const pointer = pointerTo(['events', at, 'time']);
  return { id, verdict: 'refused', faults: [{ pointer, code: 'not-acceptable', detail: value.because }] };
}
