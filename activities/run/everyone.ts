import { inTenant } from '../../models/scope.ts';
import { runsUnderWay } from '../../policies/run.ts';
import { nudgeRun, terminateRun, type WhichRun } from '../../temporal/runs.ts';
import type { RunPlace } from './frame.ts';

/**
 * All runs of a tenant at once, when the tenant itself stands still, goes on, or goes. They find out by themselves at
 * their next step as well; those that wait have to be told.
 */
export const tellRuns = (place: RunPlace): Promise<void> => forEachRun(place, nudgeRun);
export const endRuns = (place: RunPlace): Promise<void> =>
  forEachRun(place, (run) => terminateRun(run, 'The tenant was deleted.'));

const atOnceMax = 8;

async function forEachRun(place: RunPlace, act: (run: WhichRun) => Promise<void>): Promise<void> {
  const { tenantId, region } = place;
  const rows = await inTenant(place, ({ sql }) =>
    sql<{ id: string }>('SELECT id FROM runs WHERE state = ANY ($1)', [runsUnderWay]),
  );
  const inTurn = async () => {
    for (let next = rows.shift(); next; next = rows.shift()) await act({ tenantId, region, runId: next.id });
  };
  await Promise.all(Array.from({ length: atOnceMax }, inTurn));
}
