import type { Sql } from '../scope.ts';
import { noticeUse } from './limit-watch.ts';
import { charge, reservationsOf } from './quota-charge.ts';
import { ownSource, type Reading } from './usage.ts';
import { ingestReadings, type Verdict } from './usage-ingest.ts';

/** The one way into the meter: readings are taken, each once, and counted against their limits in one transaction. */
export async function takeReadings(sql: Sql, readings: readonly Reading[]): Promise<Verdict[]> {
  const verdicts = await ingestReadings(sql, readings);
  const counted = await charge(
    sql,
    readings.flatMap((reading, at) => charged(reading, verdicts[at])),
    reservationsOf(readings.filter((_, at) => verdicts[at]?.verdict === 'refused')),
  );
  await noticeUse(sql, counted);
  return verdicts;
}

/**
 * What was known already counts for nothing. Of acts of our own, what had been reserved for it is settled all the same;
 * others may name what they hold anew, or send again what was refused.
 */
function charged(reading: Reading, verdict: Verdict | undefined): Reading[] {
  if (verdict?.verdict === 'accepted' || verdict?.verdict === 'corrected') return [reading];
  const settles = reading.source === ownSource && reading.reservationId !== undefined;
  return settles ? [{ ...reading, value: 0 }] : [];
}
