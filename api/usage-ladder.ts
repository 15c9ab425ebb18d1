import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import type { Simulation } from '../models/tenant/ladder-simulation.ts';
import { asLadder } from '../models/tenant/usage-ladder.ts';
import { quotaScopes } from '../policies/quotas.ts';
import { measures } from '../policies/usage-ladder.ts';
import { rungs } from '../policies/usage-ladder-shape.ts';
import { iso } from './present.ts';
import { moment } from './shapes.ts';

/** Ladders as the API shows them, and what one would have done. */
const author = z.object({ kind: z.string(), id: z.string() });

const written = {
  version: z.int().meta({ description: '0: nobody has said anything yet, and the default holds.' }),
  rungs,
  author: author.nullable(),
  reason: z.string().nullable(),
  at: moment.nullable(),
};
export const ladder = z
  .object(written)
  .meta({ id: 'UsageLadder', description: 'What happens near limits and over them.' });
export const ladderVersion = z.object({ id: z.int(), ...written }).meta({ id: 'UsageLadderVersion' });

export function presentLadder(row: Row | undefined) {
  const { version, rungs: all } = asLadder(row);
  if (!row) return { version, rungs: all, author: null, reason: null, at: null };
  const { kind, id } = row.author as { kind: string; id: string }; // written from a Principal
  return { version, rungs: all, author: { kind, id }, reason: String(row.reason), at: iso(row.at) };
}

export const presentVersion = (row: Row) => ({ id: Number(row.version), ...presentLadder(row) });

const affected = z.object({ count: z.number(), share: z.number().min(0).max(1) });

export const simulation = z
  .object({
    from: moment,
    until: moment,
    episodes: z.array(
      z.object({
        from: moment,
        until: moment.nullable().meta({ description: 'Null: it would still hold.' }),
        measure: z.enum(measures),
        at: z.int(),
        madeBy: z.enum(['tenant', 'platform']),
        quotaId: z.string(),
        meter: z.string(),
        scope: z.object({ kind: z.enum(quotaScopes), id: z.string().nullable() }),
        limit: z.number(),
        used: z.number().meta({ description: 'When it would have begun.' }),
        runs: affected,
        requests: affected,
      }),
    ),
    further: z.int().meta({ description: 'How many more episodes there were.' }),
    left: z
      .array(z.object({ quotaId: z.string(), why: z.string() }))
      .meta({ description: 'Limits that hours say nothing about, and why.' }),
  })
  .meta({
    id: 'UsageLadderSimulation',
    description:
      'What would have held when, to the hour, by the traffic as it was: that it would have been less is not guessed. Runs and requests are those it would have touched, and their share of all.',
  });

export const changedLadder = ladder.extend({
  warnings: z
    .array(z.string())
    .meta({ description: 'What it names that may not be there; it holds all the same.' }),
  simulation: simulation.optional().meta({ description: 'Of a dry run.' }),
});

export function presentSimulation({ from, until, episodes, further, left }: Simulation) {
  return {
    from: from.toISOString(),
    until: until.toISOString(),
    episodes: episodes.map(({ rung, madeBy, limit, used, runs, requests, ...episode }) => ({
      from: episode.from.toISOString(),
      until: episode.until?.toISOString() ?? null,
      measure: rung.measure,
      at: rung.at,
      madeBy,
      quotaId: limit.quotaId,
      meter: limit.meter,
      scope: { kind: limit.scope, id: limit.scopeId || null },
      limit: limit.limit,
      used,
      runs,
      requests,
    })),
    further,
    left,
  };
}
