import { decideInTenant, inTenant, isDuplicate, type Place } from '../scope.ts';
import { fitsAtOnce, reserveStatements } from './quota-at-once.ts';
import { doubt, freshlyRemembered, remember, rulesNow } from './quota-memory.ts';
import { reserveOfOne } from './quota-of-one.ts';
import { type Answered, type Asked, everything, reserveAll } from './quota-reserving.ts';
import { hurried } from './quota-unreachable.ts';

/**
 * Of each tenant one reservation of this process is on its way; what is asked for meanwhile leaves together with the
 * next. A limit everybody pulls at is then locked once for many instead of once for each.
 */
type Waiting = { asked: Asked; resolve(answered: Answered): void; reject(cause: unknown): void };

const atOnceMax = 200;
const waiting = new Map<string, Waiting[]>();

export function reserveTogether(place: Place, asked: Asked): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const queue = waiting.get(place.tenantId);
    const one = { asked, resolve, reject };
    if (queue) queue.push(one);
    else {
      waiting.set(place.tenantId, [one]);
      setImmediate(() => void leave(place));
    }
  });
}

async function leave(place: Place): Promise<void> {
  const queue = waiting.get(place.tenantId) ?? [];
  while (queue.length > 0) {
    const leaving = queue.splice(0, atOnceMax);
    try {
      const asked = leaving.map((each) => each.asked);
      const answers = (await atOnce(place, asked)) ?? (await oneByOne(place, asked));
      for (const [at, answered] of answers.entries()) leaving[at]?.resolve(answered);
    } catch (cause) {
      // Those who came since have waited for the same answer; asking once more would make them wait twice.
      for (const { reject } of [...leaving, ...queue.splice(0)]) reject(cause);
    }
  }
  waiting.delete(place.tenantId);
}

/** Undefined where it takes a closer look. */
async function atOnce(place: Place, asked: readonly Asked[]): Promise<Answered[] | undefined> {
  if (!fitsAtOnce(asked)) return undefined;
  const known = freshlyRemembered(place);
  const ofOne = known && reserveOfOne(place.tenantId, asked, known);
  const statements = ofOne ? [ofOne] : reserveStatements(place.tenantId, asked);
  const rules = known ? [] : [rulesNow(place)];
  try {
    const results = await decideInTenant(place, [...statements, ...rules]);
    if (rules.length > 0) remember(place, results[statements.length] ?? []);
    const [verdict] = results[statements.length - 1] ?? [];
    if (verdict?.fits !== true || !(verdict.now instanceof Date)) {
      // Or the limits are others than remembered; the next look reads them again.
      if (ofOne) doubt(place);
      return undefined;
    }
    const { now } = verdict;
    return asked.map((each) => ({ taken: { amounts: everything(each) }, now }));
  } catch (cause) {
    // Somebody else reserved under one of these ids a moment ago.
    if (isDuplicate(cause)) return undefined;
    throw cause;
  }
}

async function oneByOne(place: Place, asked: readonly Asked[]): Promise<Answered[]> {
  return inTenant(place, ({ sql }) => hurried(sql, () => reserveAll(sql, asked)));
}
