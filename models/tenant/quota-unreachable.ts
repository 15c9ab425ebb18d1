import { limitsOn, type QuotaRule } from '../../policies/quotas.ts';
import { Refusal } from '../../policies/refusal.ts';
import { ledgerMs } from '../databases.ts';
import { isUnavailable, type Place, readInTenant, type Sql } from '../scope.ts';
import { type Known, remember, remembered, rulesNow } from './quota-memory.ts';
import type { Asked } from './quota-reserving.ts';

/**
 * When the ledger does not answer in its time, each limit says what then: a hard one that is closed refuses, and one that
 * is open lets go on, to be counted when the meter takes it. Returns where the act may go on.
 */
export async function insistOnOpen(place: Place, { holding, wanted }: Asked, cause: unknown): Promise<void> {
  const rules = (remembered(place) ?? (await lookedUp(place)))?.rules;
  const closed = rules
    ? wanted.flatMap(({ meter }) => limitsOn(rules, meter, holding)).filter(({ rule }) => isClosed(rule))
    : undefined;
  if (closed?.length === 0) return;
  const named = closed?.[0] ? ` (${closed[0].rule.id})` : '';
  throw new Refusal(
    'unavailable',
    `Whether this fits in the limit${named} cannot be looked up right now, so it does not begin; try again shortly.`,
    { cause, retryAfterSeconds: 5 },
  );
}

const isClosed = ({ hard, unreachable }: QuotaRule) => hard && unreachable === 'refuse';

/** Limits are read elsewhere than they are counted, so one may be there when the other is not. */
async function lookedUp(place: Place): Promise<Known | undefined> {
  try {
    const [rows = []] = await readInTenant(place, [rulesNow(place)]);
    return remember(place, rows);
  } catch {
    return undefined;
  }
}

/** In a transaction that has more time than the ledger: gives it no more than that, and the transaction its own again. */
export async function hurried<T>(sql: Sql, act: () => Promise<T>): Promise<T> {
  const [before] = await sql<{ ms: string }>(
    `SELECT current_setting('statement_timeout') AS ms, set_config('statement_timeout', $1, true)`,
    [String(ledgerMs)],
  );
  const done = await act();
  await sql(`SELECT set_config('statement_timeout', $1, true)`, [before?.ms ?? '0']);
  return done;
}

/**
 * As part of an act's transaction, which goes on as if nothing had been asked when the ledger does not answer in its
 * time and the limits are open; undefined then.
 */
export async function hurriedWithin<T>(
  sql: Sql,
  place: Place,
  asked: Asked,
  act: () => Promise<T>,
): Promise<T | undefined> {
  // Never released: who waits for a row of a released one waits for the whole transaction, even if the row is taken back
  // meanwhile (run-metering.ts), and that transaction may be waiting for the other.
  await sql('SAVEPOINT ledger');
  try {
    return await hurried(sql, act);
  } catch (cause) {
    if (!isUnavailable(cause)) throw cause;
    await sql('ROLLBACK TO SAVEPOINT ledger');
    await insistOnOpen(place, asked, cause);
    return undefined;
  }
}
