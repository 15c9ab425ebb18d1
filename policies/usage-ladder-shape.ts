import { z } from 'zod';
import { idPattern } from '../models/ids.ts';
import { modelFaults, type Offering } from './ladder-models.ts';
import { type Limited, planLimitNames, planQuotaId } from './quotas.ts';
import type { Fault } from './refusal.ts';
import { kindsOfLimits, measuresOf, type Rung, relieves } from './usage-ladder.ts';

/** How a ladder is written down, and what can be wrong with it beyond its shape. */
const quota = z
  .string()
  .refine(
    (text) =>
      kindsOfLimits.some((each) => each === text) ||
      planLimitNames.some((name) => planQuotaId(name) === text) ||
      idPattern('qta').test(text),
    'must be any, hard, soft, or the id of a limit: GET /v1/quotas',
  )
  .default('any')
  .meta({ description: 'Which limits it is about: all that the measure relieves, those of a kind, or one.' });

const at = z
  .int('must be a whole number of percent')
  .min(1, 'must be at least 1')
  .max(1_000, 'must be at most 1000')
  .meta({ description: 'Percent of the limit from which the measure holds.' });

const model = z.string().regex(/^[\w.:/@-]{1,120}$/, 'must be the name of a model');
const cheaper = z.strictObject({
  from: z.string().regex(/^[\w.:/@*-]{1,120}$/, 'must be the name of a model, with * for anything'),
  to: model,
  providerId: z
    .string()
    .regex(idPattern('llm'), 'must be the id of a model provider, llm_…')
    .optional()
    .meta({ description: 'Absent: the provider that would have been asked anyway.' }),
});

const plain = (measure: 'warn' | 'queue' | 'refuse' | 'stop') =>
  z.strictObject({ at, quota, measure: z.literal(measure) });

const rung = z
  .discriminatedUnion('measure', [
    plain('warn'),
    z.strictObject({
      at,
      quota,
      measure: z.literal('slow'),
      factor: z
        .number('must be a number')
        .min(0.01, 'must be at least 0.01')
        .max(0.99, 'must be at most 0.99')
        .meta({ description: 'What is left of the rate of requests and of the runs at once.' }),
    }),
    z.strictObject({
      at,
      quota,
      measure: z.literal('cheaper-model'),
      models: z.array(cheaper).min(1, 'must name at least one model').max(50, 'must name at most 50'),
    }),
    plain('queue'),
    plain('refuse'),
    plain('stop'),
  ])
  .meta({ id: 'LadderRung' });

const rungsMax = 50;

export const rungs = z
  .array(rung, 'must be a list of rungs')
  .max(rungsMax, `must have at most ${rungsMax} rungs`)
  .meta({ description: 'In any order; an empty list does nothing but what holds anyway.' });

/** What there is in the organisation that a ladder may name. */
export type Nameable = { meterOf: (quotaId: string) => Limited | undefined; providers: readonly Offering[] };

/** Every fault at once, each where it stands. */
export function ladderFaults(ladder: readonly Rung[], { meterOf, providers }: Nameable): Fault[] {
  const others = ladder.flatMap((each, index): Fault[] => {
    const at = `/rungs/${index}`;
    return [...limitFaults(each, at, meterOf), ...twiceFault(ladder, index, at)];
  });
  return [...others, ...modelFaults(ladder, providers)];
}

function limitFaults({ quota: id, measure }: Rung, at: string, meterOf: Nameable['meterOf']): Fault[] {
  if (kindsOfLimits.some((kind) => kind === id)) return [];
  const meter = meterOf(id);
  if (!meter)
    return [{ pointer: `${at}/quota`, code: 'unknown', detail: 'there is no such limit: GET /v1/quotas' }];
  if (relieves(measure, meter)) return [];
  const can = measuresOf(meter).join(', ');
  const detail = `would not lower ${meter}, which this limit is on; what can be done there: ${can}`;
  return [{ pointer: `${at}/measure`, code: 'not-acceptable', detail }];
}

/** Of two alike neither could be told from the other. */
function twiceFault(ladder: readonly Rung[], index: number, at: string): Fault[] {
  const same = (one: Rung | undefined, other: Rung | undefined) =>
    one?.at === other?.at && one?.quota === other?.quota && one?.measure === other?.measure;
  if (!ladder.slice(0, index).some((before) => same(before, ladder[index]))) return [];
  return [
    { pointer: at, code: 'duplicate', detail: 'says the same as a rung before it; leave one of them out' },
  ];
}
