import type { MeterName } from '../../policies/meters.ts';
import { meterNames } from '../../policies/meters.ts';
import type { Month } from '../../policies/right-sizing.ts';
import { schemaOf } from '../ids.ts';
import { type Place, readInTenant } from '../scope.ts';
import { visibleTo } from '../visible.ts';
import { type Foreseen, limitsNow } from './quota-overview.ts';
import type { Reader } from './readable.ts';
import { type Consumed, readConsumers } from './usage-consumers.ts';
import { readMonths } from './usage-months.ts';
import { endsOf, readUsage, type UsageAnswer } from './usage-reading.ts';

/** Everything a report is made of, read at once; policies/usage-report.ts makes sense of it. */
export type ReportFacts = {
  answer: UsageAnswer;
  before: UsageAnswer;
  consumed: Consumed[];
  consumedBefore: Consumed[];
  /** Of whoever sees the use of everybody; for others what the organisation as a whole has is not theirs to read. */
  whole: Whole | undefined;
};
export type Whole = {
  months: Month[];
  idleAgents: { count: number; ids: string[] };
  /** Undefined for whoever may not read limits. */
  limits: Foreseen[] | undefined;
};

type Asked = {
  bounds: readonly number[];
  previousBounds: readonly number[];
  comparable: readonly MeterName[];
  now: number;
};

const consumption: MeterName[] = [
  'tokens.input',
  'tokens.output',
  'tokens.cached',
  'runs',
  'runs.ended',
  'api-calls',
];
const idleShown = 10;

/** Undefined when it would be more than anybody reads. */
export async function readReport(
  place: Place,
  { rights, ids }: Reader,
  { bounds, previousBounds, comparable, now }: Asked,
): Promise<ReportFacts | undefined> {
  const visible = visibleTo(rights, 'Usage', ids);
  const everybodys = visible(1).values.length === 0;
  const asked = { meters: meterNames, groupBy: [], filter: {}, visible, now };
  const of = { meters: consumption, visible };
  const [answer, before, consumed, consumedBefore, whole] = await Promise.all([
    readUsage(place, { ...asked, bounds }),
    readUsage(place, { ...asked, meters: comparable, bounds: previousBounds }),
    readConsumers(place, { ...of, bounds: endsOf(bounds) }),
    readConsumers(place, { ...of, bounds: endsOf(previousBounds) }),
    everybodys ? readWhole(place, { rights, ids }, now) : undefined,
  ]);
  if (!answer || !before || !consumed || !consumedBefore) return undefined;
  const busy = consumed.filter(({ dimension }) => dimension === 'agentId').map(({ id }) => id);
  const idleAgents = await idleAgentsOf(place, { rights, ids }, busy);
  return { answer, before, consumed, consumedBefore, whole: whole && { ...whole, idleAgents } };
}

async function readWhole(
  place: Place,
  { rights, ids }: Reader,
  now: number,
): Promise<Omit<Whole, 'idleAgents'>> {
  const months = await readMonths(place, now);
  if (visibleTo(rights, 'Quota', ids)(1).text === 'false') return { months, limits: undefined };
  return { months, limits: await limitsNow(place) };
}

/** Agents that used nothing, of those that may be read: the oldest first. */
async function idleAgentsOf(
  place: Place,
  { rights, ids }: Reader,
  busy: readonly string[],
): Promise<{ count: number; ids: string[] }> {
  const may = visibleTo(rights, 'Agent', ids)(2);
  const [rows = []] = await readInTenant(place, [
    {
      text: `SELECT id, count(*) OVER () AS all FROM ${schemaOf(place.tenantId)}.agents
             WHERE id <> ALL ($1::text[]) AND ${may.text} ORDER BY id LIMIT ${idleShown}`,
      values: [`{${busy.filter((id) => id !== '').join(',')}}`, ...may.values],
    },
  ]);
  return { count: Number(rows[0]?.all ?? 0), ids: rows.map(({ id }) => String(id)) };
}
