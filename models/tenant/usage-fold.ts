import { meterNames } from '../../policies/meters.ts';
import { log } from '../../telemetry.ts';
import { openness } from '../databases.ts';
import { inTenant, type Place, type Sql } from '../scope.ts';
import { ownSource, type Reading } from './usage.ts';
import { takeReadings } from './usage-taking.ts';

/**
 * Takes what acts of the product used out of the outbox and into the meter, a batch in each transaction: what is deleted
 * there is counted here, or neither. Whatever is killed in between is found again by the next fold, and by the meter's
 * schedule at the latest. Several may fold one tenant at once; none takes what another has.
 */
const batchRows = 1_000;

export type Folded = { readings: number; batches: number };

export async function foldUsage(place: Place): Promise<Folded> {
  const done = { readings: 0, batches: 0 };
  for (;;) {
    const taken = await inTenant(place, ({ sql }) => foldBatch(sql));
    if (taken > 0) done.batches += 1;
    done.readings += taken;
    if (taken < batchRows) return done;
  }
}

type Noted = Omit<Reading, 'at' | 'source'> & { at: string };

async function foldBatch(sql: Sql): Promise<number> {
  // What a newer version counts waits for a process that knows it.
  const rows = await sql<{ event: Noted }>(
    `DELETE FROM usage_outbox WHERE seq IN (
       SELECT seq FROM usage_outbox WHERE event ->> 'meter' = ANY ($1) ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED)
     RETURNING event`,
    [meterNames, batchRows],
  );
  const readings = rows.map(
    ({ event }): Reading => ({ ...event, source: ownSource, at: new Date(event.at) }),
  );
  await takeReadings(sql, readings);
  return rows.length;
}

// Long enough for the notes of acts of one moment to be folded together, short enough for nobody to wait.
const soonMs = 100;
// Of a process, so that folding leaves connections to those whose acts it counts.
const tenantsAtOnce = 2;
const waiting = new Map<string, Place>();
const underWay = new Map<string, Place>();

/** Call it once the act is committed. Nobody waits for it; what it cannot do, the schedule does. */
export function foldSoon(place: Place): void {
  if (waiting.has(place.tenantId)) return;
  waiting.set(place.tenantId, place);
  const open = openness();
  setTimeout(() => foldWaiting(open), soonMs).unref();
}

function foldWaiting(open: number): void {
  if (open !== openness()) waiting.clear();
  for (const [tenantId, place] of waiting) {
    if (underWay.size >= tenantsAtOnce) return;
    if (underWay.has(tenantId)) continue;
    waiting.delete(tenantId);
    underWay.set(tenantId, place);
    void foldLogged(place).finally(() => {
      underWay.delete(tenantId);
      foldWaiting(open);
    });
  }
}

async function foldLogged(place: Place): Promise<void> {
  try {
    await foldUsage(place);
  } catch (error) {
    log.warn(
      { tenantId: place.tenantId, error: String(error) },
      'what was used is left to the schedule to count',
    );
  }
}
