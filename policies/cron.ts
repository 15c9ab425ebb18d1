import type { Fault } from './refusal.ts';

/**
 * Five fields of cron, as crontab(5) reads them: minute, hour, day of month, month, day of week; where both days are
 * named, either will do. What they come to is Temporal's to say (temporal/run-schedules.ts): it skips what the clocks
 * skip, and has what they repeat once.
 */
type Field = { name: string; from: number; to: number; words?: string[] };

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const fields: Field[] = [
  { name: 'minute', from: 0, to: 59 },
  { name: 'hour', from: 0, to: 23 },
  { name: 'day of month', from: 1, to: 31 },
  { name: 'month', from: 1, to: 12, words: months },
  { name: 'day of week', from: 0, to: 7, words: days },
];

export function cronFaults(cron: string): Fault[] {
  const texts = cron.trim().split(/\s+/);
  const fault = (detail: string): Fault => ({ pointer: '/cron', code: 'cron', detail });
  if (texts.length !== fields.length)
    return [
      fault(`must have five fields (minute, hour, day of month, month, day of week), not ${texts.length}`),
    ];
  return fields.flatMap((field, at) =>
    (texts[at] ?? '').split(',').flatMap((part) => {
      const wrong = partFault(field, part);
      return wrong ? [fault(`the ${field.name} “${part}” ${wrong}`)] : [];
    }),
  );
}

function partFault(field: Field, part: string): string | undefined {
  const match = /^(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:\/(\d+))?$/i.exec(part);
  if (!match) return 'must be *, a number, a range such as 1-5, or a step such as */15';
  const [, first = '', last, step] = match;
  if (step !== undefined && (Number(step) < 1 || Number(step) > field.to))
    return 'has a step that is out of range';
  if (first === '*') return last === undefined ? undefined : 'must not have a range after *';
  const [low, high] = [numberOf(field, first), last === undefined ? undefined : numberOf(field, last)];
  if (low === undefined || (last !== undefined && high === undefined))
    return `must lie between ${field.from} and ${field.to}${field.words ? ` or be one of ${field.words.join(' ')}` : ''}`;
  return high !== undefined && high < low ? 'is a range that ends before it begins' : undefined;
}

function numberOf({ from, to, words = [] }: Field, text: string): number | undefined {
  const word = words.indexOf(text.toLowerCase());
  if (word >= 0) return word + (from === 0 ? 0 : 1);
  const number = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return number >= from && number <= to ? number : undefined;
}

/** As Temporal is told: it wants both days to hold at once, so where either will do it is told two. */
export function cronExpressions(cron: string): string[] {
  const values = cron.trim().toLowerCase().split(/\s+/).map(plain);
  const [minute, hour, day, month, weekday] = values;
  if (day?.startsWith('*') || weekday?.startsWith('*')) return [values.join(' ')];
  return [`${minute} ${hour} ${day} ${month} *`, `${minute} ${hour} * ${month} ${weekday}`];
}

/** In numbers; Sunday is 0, also as the end of a week. */
function plain(text: string, at: number): string {
  const field = fields[at];
  if (!field) throw new Error('bug: a cron of more than five fields');
  const parts = text
    .split(',')
    .map((part) => part.replaceAll(/[a-z]+/g, (word) => String(numberOf(field, word))));
  return at === 4 ? parts.flatMap(withSunday).join(',') : parts.join(',');
}

function withSunday(part: string): string[] {
  const [, from = '', , to, step = ''] = /^(\*|\d+)(-(\d+))?(\/\d+)?$/.exec(part) ?? [];
  if (from === '7') return ['0'];
  if (to !== '7') return [part];
  const every = step === '' ? 1 : Number(step.slice(1));
  const first = Number(from);
  return [`${first}-6${step}`, ...((7 - first) % every === 0 ? ['0'] : [])];
}

// SystemV/… are ICU’s own; Postgres reads them as rules of its own and changes clocks on other days.
const zonePattern = /^(?!systemv\/)[a-z][a-z0-9_+-]*(?:\/[a-z0-9_+-]+){0,2}$/i;

/** A name of the IANA database, in its own spelling; undefined for anything else, offsets too. */
export function zoneOf(name: string): string | undefined {
  if (!zonePattern.test(name)) return undefined;
  const all = ['UTC', ...Intl.supportedValuesOf('timeZone')];
  const same = all.find((each) => each.toLowerCase() === name.toLowerCase());
  if (same) return same;
  try {
    // Former names, such as Asia/Kolkata was and Asia/Calcutta is.
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}
