import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { oneAtOnce } from '../../models/in-turns.ts';
import type { Sql } from '../../models/scope.ts';
import { type Simulation, simulate } from '../../models/tenant/ladder-simulation.ts';
import { settleLimits } from '../../models/tenant/limit-watch.ts';
import { ladderIn, ladderStatement, ladderVersions, storeLadder } from '../../models/tenant/usage-ladder.ts';
import { modelWarnings, type Offering } from '../../policies/ladder-models.ts';
import type { Limited } from '../../policies/quotas.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Rung } from '../../policies/usage-ladder.ts';
import { ladderFaults, rungs } from '../../policies/usage-ladder-shape.ts';
import { followLimits } from '../limits-changed.ts';
import { etag, presentPage } from '../present.ts';
import { requireVersion } from '../route.ts';
import { dryRun, line, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';
import { throttleTest } from '../throttle.ts';
import {
  changedLadder,
  ladder,
  ladderVersion,
  presentLadder,
  presentSimulation,
  presentVersion,
  simulation,
} from '../usage-ladder.ts';

const tag = 'Usage';

export const readLadder = tenantRead({
  method: 'get',
  path: '/usage-ladder',
  tag,
  summary: 'What happens near limits and over them',
  permit: ['read', 'UsageLadder'],
  answers: { 200: ladder },
  load: ({ tenantId }) => ladderStatement(tenantId),
  handle: ({ rows: [row] }) => {
    const body = presentLadder(row);
    return { status: 200, body, headers: etag(body.version) };
  },
});

export const listLadderVersions = tenantRead({
  method: 'get',
  path: '/usage-ladder/versions',
  tag,
  summary: 'Versions of the ladder, newest first: who changed it, when and why',
  permit: ['read', 'UsageLadder'],
  query: z.strictObject(pagingBy('number')),
  answers: { 200: page(ladderVersion) },
  load: ({ tenantId, query: { cursor, limit } }) => ladderVersions(tenantId, { cursor, limit: limit + 1 }),
  handle: ({ rows, query }) => ({ status: 200, body: presentPage(rows, query.limit, presentVersion) }),
});

export const changeLadder = tenantWrite({
  method: 'put',
  path: '/usage-ladder',
  tag,
  summary:
    'Say what happens near limits and over them; holds at once. A dry run says what it would have done lately',
  permit: ['update', 'UsageLadder'],
  inTurn: true,
  query: z.strictObject({ dryRun }),
  body: z.strictObject({ rungs, reason: line(500).meta({ description: 'Why; kept with the version.' }) }),
  answers: { 200: changedLadder },
  handle: async ({ tenant: { sql }, tenantId, place, principal, body, query, ...call }) => {
    const before = await ladderIn(sql);
    requireVersion(call, before.version);
    const warnings = await refuseFaults(sql, body.rungs);
    const same = isDeepStrictEqual(before.rungs, body.rungs);
    const stored = same
      ? (await sql(ladderStatement(tenantId).text))[0]
      : await storeLadder(sql, { ...body, author: principal });
    const presented = { ...presentLadder(stored), warnings };
    if (query.dryRun) {
      const done = await tryOut(sql, tenantId, body.rungs);
      return { status: 200, body: { ...presented, simulation: presentSimulation(done) }, unchanged: true };
    }
    await settleLimits(sql);
    return {
      status: 200,
      body: presented,
      headers: etag(presented.version),
      unchanged: same,
      audit: {
        id: String(presented.version),
        before: { rungs: before.rungs },
        after: { rungs: body.rungs },
        reason: body.reason,
        details: { version: presented.version, rungs: body.rungs },
      },
      afterCommit: () => followLimits(place),
    };
  },
});

export const simulateLadder = tenantWrite({
  method: 'post',
  path: '/usage-ladder/simulations',
  tag,
  summary:
    'What a ladder would have done in the last 30 days, by the organisation’s own traffic; changes nothing',
  permit: ['read', 'UsageLadder'],
  body: z.strictObject({ rungs: rungs.optional().meta({ description: 'Absent: the ladder that holds.' }) }),
  answers: { 200: simulation },
  notStored: 'It changes nothing, and is answered by what there is at the time.',
  handle: async ({ tenant: { sql }, tenantId, body }) => {
    if (body.rungs) await refuseFaults(sql, body.rungs);
    const tried = body.rungs ?? (await ladderIn(sql)).rungs;
    const done = await tryOut(sql, tenantId, tried);
    return { status: 200, body: presentSimulation(done), unchanged: true };
  },
});

async function tryOut(sql: Sql, tenantId: string, ladder: readonly Rung[]): Promise<Simulation> {
  await throttleTest(`${tenantId} ladder`);
  return oneAtOnce(tenantId, () => simulate(sql, { tenantId, ladder, now: new Date() }));
}

/** What the ladder names that is not there, and what would do nothing, all at once. Answers what nobody can know. */
async function refuseFaults(sql: Sql, asked: readonly Rung[]): Promise<string[]> {
  const limits = await sql<{ id: string; meter: Limited }>('SELECT id, meter FROM quotas');
  const providers = await sql<Offering>(
    'SELECT id, models, aliases, deleted_at IS NOT NULL AS removed FROM llm_providers',
  );
  const meters = new Map(limits.map(({ id, meter }) => [id, meter]));
  const errors = ladderFaults(asked, {
    meterOf: (quotaId) => meters.get(quotaId),
    providers,
  });
  if (errors.length === 0) return modelWarnings(asked, providers);
  throw new Refusal('unprocessable', 'The ladder cannot be as it is; each fault is listed.', { errors });
}
