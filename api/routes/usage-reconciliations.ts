import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import {
  reconciliationById,
  reconciliationChecks,
  reconciliationList,
} from '../../models/tenant/usage-reconciliation.ts';
import { repairDay, repairParts } from '../../models/tenant/usage-repair.ts';
import { settleRestrictions } from '../../models/tenant/usage-restriction-watch.ts';
import { Refusal } from '../../policies/refusal.ts';
import { lateDays, mayStillChange } from '../../policies/usage-window.ts';
import { followLimits } from '../limits-changed.ts';
import { iso, presentPage } from '../present.ts';
import { reason } from '../settings.ts';
import { dryRun, moment, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const drift = z.object({
  check: z.enum(reconciliationChecks),
  what: z.string(),
  expected: z.string(),
  actual: z.string(),
});
export const reconciliation = z
  .object({
    id: z.string(),
    day: z.iso.date(),
    compared: z.int().meta({ description: 'How many sums were compared.' }),
    drifts: z.array(drift).meta({ description: 'What differed; up to 100 of them.' }),
    at: moment,
  })
  .meta({
    id: 'UsageReconciliation',
    description: 'A day’s use counted again in other ways, and what of it was not the same.',
  });

export const presentReconciliation = ({ at, ...row }: Row) => ({
  id: row.id,
  day: row.day,
  compared: row.compared,
  drifts: row.drifts,
  at: iso(at),
});

export const listReconciliations = tenantRead({
  method: 'get',
  path: '/usage/reconciliations',
  tag: 'Usage',
  summary: 'Whether what was counted in two ways is the same, day by day, newest first',
  permit: ['read', 'Usage'],
  query: z.strictObject(pagingBy('number')),
  answers: { 200: page(reconciliation) },
  load: ({ tenantId, query: { cursor, limit } }) =>
    reconciliationList(tenantId, { before: cursor, limit: limit + 1 }),
  handle: ({ rows, query: { limit } }) => ({
    status: 200,
    body: presentPage(rows, limit, presentReconciliation),
  }),
});

const repaired = z
  .object({
    id: z.string(),
    day: z.iso.date(),
    changed: z.int(),
    changes: z
      .array(
        z.object({
          part: z.enum(repairParts),
          what: z.string(),
          before: z.string().nullable(),
          after: z.string().nullable(),
        }),
      )
      .meta({
        description: 'Each sum and limit that was something else; up to 100 of them. Null: was not there.',
      }),
    remaining: z
      .array(drift)
      .meta({ description: 'What still differs, for readings themselves are missing or of another day.' }),
  })
  .meta({ id: 'UsageRepair', description: 'Sums and limits that were made what the single readings say.' });

export const repairUsage = tenantWrite({
  method: 'post',
  path: '/usage/reconciliations/:reconciliationId/repairs',
  tag: 'Usage',
  summary: 'Make a day’s sums, and the limits it counts for, what the single readings say',
  permit: ['repair', 'Usage'],
  params: z.strictObject({ reconciliationId: z.string().regex(/^\d{8}$/, 'must be a day as in 20261124') }),
  query: z.strictObject({ dryRun }),
  body: z.strictObject({ reason }),
  answers: { 200: repaired },
  load: ({ params: { reconciliationId }, tenantId }) => reconciliationById(tenantId, reconciliationId),
  handle: async ({ tenant: { sql }, row, query, body, place }) => {
    const id = String(row.id);
    if (row.day === null) throw notCompared();
    const day = String(row.day);
    if (!mayStillChange(day, new Date()))
      throw new Refusal(
        'conflict',
        `Sums of more than ${lateDays} days ago may have been invoiced and stay as they are; report what was missing as readings, which are kept as corrections.`,
      );
    const done = await repairDay(sql, day);
    await settleRestrictions(sql);
    const { changed, changes, remaining } = done;
    return {
      status: 200,
      body: { id, day, ...done },
      audit: {
        id: day,
        reason: body.reason,
        details: { changed, first: changes[0] ?? null, remaining: remaining.length },
      },
      unchanged: query.dryRun,
      afterCommit: () => followLimits(place),
    };
  },
});

/** The same of every day: what is another organisation's is answered as what is nowhere. */
const notCompared = () =>
  new Refusal(
    'not-found',
    `This day was not compared. Each is within an hour of its end (UTC), from the first with any use on and for ${lateDays} days; GET /v1/usage/reconciliations lists them.`,
  );
