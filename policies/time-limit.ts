import { createContext, Script } from 'node:vm';

/**
 * For work on what strangers wrote, which may take exponential time: a schema that refers to itself twice, a pattern
 * that backtracks. All other organisations wait meanwhile, so Node ends it, whatever it is at.
 */
const lookMs = 500;

export class TimeSpent extends Error {}

const held: { act?: () => unknown } = {};
const context = createContext(held);
const script = new Script('act()');

/** The limit is one of the clock; where the machine was at something else meanwhile, it is tried again. */
const triesMax = 6;

export function withinTime<T>(act: () => T): T {
  for (let tried = 1; ; tried++) {
    const before = process.threadCpuUsage();
    try {
      return once(act);
    } catch (cause) {
      const { user, system } = process.threadCpuUsage(before);
      const starved = (user + system) / 1_000 < lookMs / 2;
      if (!(cause instanceof TimeSpent && starved && tried < triesMax)) throw cause;
    }
  }
}

function once<T>(act: () => T): T {
  held.act = act;
  try {
    // The script answers what the function just given to it answers.
    return script.runInContext(context, { timeout: lookMs }) as T;
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw cause;
    throw new TimeSpent('the time for this is up', { cause });
  } finally {
    delete held.act;
  }
}
