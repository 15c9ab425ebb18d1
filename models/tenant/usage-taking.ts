import type { Sql } from '../scope.ts';
import { noticeUse } from './limit-watch.ts';
import { charge } from './quota-charge.ts';
import type { Reading } from './usage.ts';
import { ingestReadings, type Verdict } from './usage-ingest.ts';

/** The one way into the meter: readings are taken, each once, and counted against their limits in one transaction. */
export async function takeReadings(sql: Sql, readings: readonly Reading[]): Promise<Verdict[]> {
  const verdicts = await ingestReadings(sql, readings);
  const counted = await charge(
    sql,
    readings.flatMap((reading, at) => charged(reading, verdicts[at])),
  );
  await noticeUse(sql, counted);
  return verdicts;
}

/** What was known already, or is not taken, counts for nothing; what had been reserved for it is settled all the same. */
function charged(reading: Reading, verdict: Verdict | undefined): Reading[] {
  if (verdict?.verdict === 'accepted' || verdict?.verdict === 'corrected') return [reading];
  return reading.reservationId === undefined ? [] : [{ ...reading, value: 0 }];
}
