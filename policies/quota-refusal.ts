import { amountInWords, limitInWords, numberInWords, whoseInWords } from './limit-words.ts';
import { type Counter, type Taken, usedAt } from './quota-book.ts';
import { freeAgainAt, windowOf } from './quota-window.ts';
import { effectiveAmount, type QuotaRule, unitOf } from './quotas.ts';
import { Refusal } from './refusal.ts';

/** What somebody is told who wanted more than a limit leaves: which, how much of it is gone, when it is free again, what to do. */
type Refused = Exclude<Taken, { amounts: unknown }>;

const limitNow = (rule: QuotaRule, now: Date): string =>
  limitInWords({ ...rule, amount: effectiveAmount(rule, now) });

/** Whoever is refused knows which agent it is about; a tag has no other name. */
const whoseOfActs: Record<QuotaRule['scope'], (id: string) => string> = {
  tenant: () => '',
  tag: (tag) => whoseInWords('tag', tag),
  agent: () => ' for this agent',
  key: () => ' for this key',
  run: () => ' for this run',
};

/** When there is room for so much more; undefined when nobody can know, for it is free when something ends. */
function roomAgainAt(counter: Counter, wanted: number, now: Date): Date | undefined {
  const { rule, slices } = counter;
  if (rule.window !== 'rolling') return windowOf(rule, now).end ?? undefined;
  const over = usedAt(counter, now) + counter.reserved + wanted - effectiveAmount(rule, now);
  return freeAgainAt(rule, slices ?? {}, over);
}

// When nobody can know when there is room, asking again after so long does no harm.
const patienceSeconds = 10;

const secondsUntil = (resetsAt: Date | undefined, now: Date): number =>
  resetsAt ? Math.max(1, Math.ceil((resetsAt.getTime() - now.getTime()) / 1_000)) : patienceSeconds;

export function refusalOf(refused: Refused, now: Date): Refusal {
  if ('over' in refused) return isOver();
  if ('parent' in refused) return overBudget(refused);
  const { counter, meter, wanted } = refused;
  const { rule, reserved } = counter;
  const used = usedAt(counter, now);
  const resetsAt = roomAgainAt(counter, wanted, now);
  const never = wanted > effectiveAmount(rule, now);
  const more = rule.origin === 'tenant' ? `PATCH /v1/quotas/${rule.id}` : 'POST /v1/quota-requests';
  return new Refusal(
    'quota-exceeded',
    `${noRoom({ counter, wanted: amountInWords(wanted, unitOf(meter)), never, resetsAt }, now)} use less, or get more with ${more}.`,
    {
      ...(!never && { retryAfterSeconds: secondsUntil(resetsAt, now) }),
      extra: {
        quota: {
          id: rule.id,
          meter: rule.meter,
          limit: effectiveAmount(rule, now),
          used,
          reserved,
          resetsAt: resetsAt?.toISOString() ?? null,
        },
      },
    },
  );
}

type NoRoom = { counter: Counter; wanted: string; never: boolean; resetsAt: Date | undefined };

function noRoom({ counter, wanted, never, resetsAt }: NoRoom, now: Date): string {
  const { rule, scopeId, reserved } = counter;
  const limit = `the limit is ${limitNow(rule, now)}${whoseOfActs[rule.scope](scopeId)}`;
  // Waiting does not help whoever wants more at once than there ever is.
  if (never) return `There is never room for ${wanted}: ${limit};`;
  const gone = `${numberInWords(usedAt(counter, now))} used and ${numberInWords(reserved)} reserved`;
  const when = resetsAt ? `at ${resetsAt.toISOString()}` : 'when something of it ends';
  return `There is no room for ${wanted} more: ${limit}, of which ${gone}. There is room again ${when}; wait,`;
}

function overBudget({ parent, meter, wanted, free }: Extract<Refused, { parent: unknown }>): Refusal {
  if (parent.state !== 'held') return isOver();
  const unit = unitOf(meter);
  return budgetRefusal(
    `There is no room for ${amountInWords(wanted, unit)} more in the budget this is part of, of which ${numberInWords(free)} are left; use less, or begin again with a greater budget.`,
    meter,
  );
}

const isOver = () =>
  budgetRefusal('What this was to be taken from is over; begin again, under an id of its own.', null);

const budgetRefusal = (detail: string, meter: string | null) =>
  new Refusal('quota-exceeded', detail, {
    retryAfterSeconds: patienceSeconds,
    extra: { quota: { id: null, meter, limit: null, used: null, reserved: null, resetsAt: null } },
  });
