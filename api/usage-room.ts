import type { Sql } from '../models/scope.ts';
import { whyRestricted } from '../models/tenant/acting.ts';
import type { Reading } from '../models/tenant/usage.ts';
import { knownAmong } from '../models/tenant/usage-ingest.ts';
import { beyondSeries, reportedSeriesMax } from '../models/tenant/usage-series.ts';
import type { Fault } from '../policies/refusal.ts';
import { pointerTo } from './body.ts';
import type { Judged } from './usage-event.ts';

/** What there is no room for is refused, each by itself; the rest of the batch is taken. */
export async function withinSeries(sql: Sql, judged: Judged[]): Promise<Judged[]> {
  const beyond = await beyondSeries(sql, readingsOf(judged));
  const detail = `There are ${reportedSeriesMax} combinations of a meter with agents, workflows, people, keys and models already, which is the most that are kept apart; report this under one of them, for example without the model.`;
  return refuse(judged, beyond, { code: 'too-many', detail }, ['data']);
}

/**
 * Over its limit on storage an organisation has no more reported to it, for what is reported is stored in its own tables.
 * What is known by now takes no room, and whoever sends it again learns that it counted.
 */
export async function withinStorage(sql: Sql, judged: Judged[], principalId: string): Promise<Judged[]> {
  const refusal = await whyRestricted(sql, 'report usage', { principalId });
  if (!refusal) return judged;
  const readings = readingsOf(judged);
  const known = await knownAmong(sql, readings);
  const fresh = new Set([...readings.keys()].filter((place) => !known.has(place)));
  return refuse(judged, fresh, { code: refusal.code, detail: refusal.message });
}

const readingsOf = (judged: readonly Judged[]): Reading[] =>
  judged.flatMap((each) => ('reading' in each ? [each.reading] : []));

/** `which`: by their place among those without a fault. */
function refuse(
  judged: Judged[],
  which: ReadonlySet<number>,
  why: Omit<Fault, 'pointer'>,
  path: string[] = [],
): Judged[] {
  let place = 0;
  return judged.map((each, at) => {
    if (!('reading' in each) || !which.has(place++)) return each;
    return { id: each.id, faults: [{ pointer: pointerTo(['events', at, ...path]), ...why }] };
  });
}
