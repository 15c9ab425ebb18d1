import { type MeterName, meterOf } from '../../policies/meters.ts';
import { readingWindow, timeOfAct } from '../../policies/usage-window.ts';
import { isDuplicate, type Sql } from '../scope.ts';
import { digest } from '../secrets.ts';
import { ownSource, type Reading } from './usage.ts';
import { resolveSeries } from './usage-series.ts';
import { type Careful, writingSql } from './usage-writing.ts';

/**
 * Takes readings into the meter, in the transaction of whoever calls: each once, whoever sends it how often and at the
 * same time as whom. What makes a reading one of a kind is its source and id; keys, single readings and the sums of hours
 * and days are written by one statement, sums from the rows that it wrote and from no others, so that they always agree.
 * Values are decimals from end to end. When what may still come says policies/usage-window.ts.
 */
export type Verdict =
  | { verdict: 'accepted' | 'corrected' | 'duplicate' }
  | { verdict: 'refused'; because: string };

type Taken = { reading: Reading; key: string; at: Date; late: boolean; place: number };

export async function ingestReadings(
  sql: Sql,
  readings: readonly Reading[],
  now = new Date(),
): Promise<Verdict[]> {
  const verdicts: Verdict[] = readings.map(() => ({ verdict: 'duplicate' }));
  const taken = new Map<string, Taken>();
  for (const [place, reading] of readings.entries()) {
    const judged = judge(reading, now);
    if ('because' in judged) verdicts[place] = { verdict: 'refused', because: judged.because };
    else if (!taken.has(judged.key)) taken.set(judged.key, { ...judged, reading, place });
  }
  const all = [...taken.values()];
  if (all.length === 0) return verdicts;
  const known = await write(sql, all);
  for (const [at, { place, late }] of all.entries())
    if (!known.has(at)) verdicts[place] = { verdict: late ? 'corrected' : 'accepted' };
  return verdicts;
}

/** Those that were taken before, by their place in the list. */
export async function knownAmong(sql: Sql, readings: readonly Reading[]): Promise<Set<number>> {
  const keys = readings.map(keyOf);
  const rows = await sql<{ key: string }>(
    "SELECT replace(key::text, '-', '') AS key FROM usage_keys WHERE key = ANY ($1::uuid[])",
    [keys],
  );
  const known = new Set(rows.map(({ key }) => key));
  return new Set(keys.flatMap((key, place) => (known.has(key) ? [place] : [])));
}

function judge(reading: Reading, now: Date): { because: string } | Omit<Taken, 'reading' | 'place'> {
  // NaN and infinity would be values to the database, and every sum they are in would be lost.
  if (!Number.isFinite(reading.value)) return { because: 'Its value is not a number.' };
  const key = keyOf(reading);
  if (reading.source === ownSource) {
    const { at, taken } = timeOfAct(reading.at, now);
    return { key, at, late: taken === 'late' };
  }
  const window = readingWindow(reading.at, now);
  if ('refused' in window) return { because: window.refused };
  return { key, at: reading.at, late: window.taken === 'late' };
}

// Sixteen bytes tell as many readings apart as there will ever be, and are kept in half the room.
const keyDigits = 32;
const keyOf = ({ source, id }: Reading): string => digest(`${source}\0${id}`).slice(0, keyDigits);

/** Which of them were known already, by their place in the list. */
async function write(sql: Sql, all: readonly Taken[]): Promise<Set<number>> {
  const hopeful = await inSavepoint(sql, () => writeAs(sql, 'hopeful', all));
  return hopeful ?? writeAs(sql, 'careful', all);
}

/**
 * Most batches hold nothing that is known, and to find out by writing them, without looking first, takes two thirds of
 * the time. One that does is undone to here, and taken again with care.
 */
async function inSavepoint<T>(sql: Sql, act: () => Promise<T>): Promise<T | undefined> {
  await sql('SAVEPOINT usage');
  try {
    const done = await act();
    await sql('RELEASE SAVEPOINT usage');
    return done;
  } catch (cause) {
    if (!isDuplicate(cause, 'usage_keys_pkey')) throw cause;
    await sql('ROLLBACK TO SAVEPOINT usage');
    return undefined;
  }
}

async function writeAs(sql: Sql, how: Careful, all: readonly Taken[]): Promise<Set<number>> {
  const ofSeries = all.map(({ reading }) => reading);
  const shared = columnsOf(all);
  // What is remembered of another table of series writes nothing, says so, and is asked anew.
  for (const anew of [false, true]) {
    const { numbers, table } = await resolveSeries(sql, ofSeries, anew);
    const timed = all.flatMap(({ reading: { meter } }, at) => (isTimed(meter) ? (numbers[at] ?? []) : []));
    const given = [...shared, array(numbers), table, array([...new Set(timed)])];
    const rows = await sql<{ n: number }>(writingSql[how], given);
    if (rows[0]?.n !== 0) return new Set(rows.map(({ n }) => n - 1));
  }
  throw new Error('bug: the series were asked anew and are still of another table');
}

const isTimed = (meter: MeterName): boolean => meterOf(meter).aggregation === 'time-weighted';

/** Of digits and signs alone; pg would look for what to quote in every one of thousands. */
const array = (values: readonly (string | number | boolean)[]): string => `{${values.join()}}`;

/** What none of them has is not sent. */
const unlessNone = (texts: (string | null)[]) => (texts.every((text) => text === null) ? null : texts);

function columnsOf(all: readonly Taken[]): unknown[] {
  return [
    array(all.map(({ key }) => key)),
    array(all.map(({ at }) => at.getTime())),
    array(all.map(({ reading: { value } }) => value)),
    array(all.map(({ late }) => late)),
    unlessNone(
      all.map(({ reading: { meter, member } }) =>
        meterOf(meter).aggregation === 'unique' ? (member ?? null) : null,
      ),
    ),
    unlessNone(all.map(({ reading: { runId } }) => runId ?? null)),
  ];
}
