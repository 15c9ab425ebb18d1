import { LRUCache } from 'lru-cache';
import type { QuotaRule } from '../../policies/quotas.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Place } from '../scope.ts';
import { amountNow, ruleColumns, ruleOf, rulesDigest } from './quota.ts';
import { windowStands, windowStart } from './quota-window.ts';

/**
 * What this process remembers of a tenant's limits. It decides nothing alone: a counter says by which limits it was last
 * looked at, and forgets that when they are changed (`lockRules`), so what is remembered holds only together with it. And
 * when the ledger does not answer, it tells which limits are open (quota-unreachable.ts).
 */
export type Known = {
  rules: QuotaRule[];
  digest: string;
  /** By limit: when its window began, in seconds since 1970; how much holds of it now; and until when both are so. */
  now: Map<string, { start: number; most: number; until: Date }>;
};

const memory = new LRUCache<string, Known & { at: number }>({ max: 10_000 });
// So long a limit that somebody changes past the product may go unnoticed.
const freshMs = 10_000;

export const remembered = ({ tenantId }: Place): Known | undefined => memory.get(tenantId);

/** What may still be so; otherwise it is read again. */
export function freshlyRemembered({ tenantId }: Place): Known | undefined {
  const known = memory.get(tenantId);
  return known && performance.now() - known.at < freshMs ? known : undefined;
}

/** A counter says otherwise, or has no room; whichever it is, limits are read again the next time. */
export function doubt({ tenantId }: Place): void {
  const known = memory.get(tenantId);
  if (known) memory.set(tenantId, { ...known, at: Number.NEGATIVE_INFINITY });
}

export function rulesNow({ tenantId }: Place): Statement {
  const schema = schemaOf(tenantId);
  return {
    text: `SELECT ${ruleColumns}, ${rulesDigest(`${schema}.`)} AS digest, ${amountNow} AS most,
        extract(epoch FROM ${windowStart('now()')})::float8 AS start,
        least(${windowStands('now()')}, CASE WHEN q.raised_until > now() THEN q.raised_until END) AS until
      FROM ${schema}.quotas q ORDER BY q.id`,
    values: [],
  };
}

export function remember({ tenantId }: Place, rows: readonly Row[]): Known {
  const known = {
    rules: rows.map(ruleOf),
    digest: String(rows[0]?.digest),
    now: new Map(
      rows.map(({ id, start, most, until }) => [
        String(id),
        // The column is a moment of the statement above, and never null.
        { start: Number(start), most: Number(most), until: until as Date },
      ]),
    ),
    at: performance.now(),
  };
  memory.set(tenantId, known);
  return known;
}
