import { amountInWords, limitInWords, nounOf, numberInWords } from './limit-words.ts';
import type { Measure } from './usage-ladder.ts';
import type {
  Restriction,
  RestrictionCause,
  RestrictionData,
  RestrictionScope,
} from './usage-restriction.ts';

/** What people read of a restriction: for whom and why, and what ends it. */
/** Names by id, as far as whoever reads may know them. */
export type Names = Readonly<Record<string, string>>;

const subjects: Record<RestrictionScope, (name: string | undefined) => string> = {
  tenant: () => 'the organisation',
  tag: (name) => `each agent with the tag ${name}`,
  agent: (name) => (name === undefined ? 'this agent' : `the agent ${name}`),
  key: (name) => (name === undefined ? 'this key' : `the key ${name}`),
  user: (name) => name ?? 'this person',
};

const meanings: Record<Measure, (data: RestrictionData) => string> = {
  warn: () => 'is near a limit',
  slow: () => 'is slowed down',
  'cheaper-model': ({ models = [] }) =>
    ['is given a cheaper model', models.map(({ from, to }) => `${to} for ${from}`).join(', ')]
      .filter(Boolean)
      .join(': '),
  queue: () => 'has its new runs wait',
  refuse: () => 'begins nothing new',
  stop: () => 'has its runs paused',
};

/** One sentence that says for whom, what and why. */
export function reasonOf({ scope, scopeId, measure, cause, data }: Restriction, names: Names = {}): string {
  // A tag is its own name.
  const name = scope === 'tag' ? scopeId : names[scopeId];
  const who = `${subjects[scope](name)} ${meanings[measure](data)}`;
  return `${who.charAt(0).toUpperCase()}${who.slice(1)}, because ${whys[cause](data)}.`;
}

const whys: Record<RestrictionCause, (why: RestrictionData) => string> = {
  limit: ({ used, limit, meter, at = 100, window, windowMinutes }) =>
    meter === undefined || limit === undefined
      ? 'of a limit'
      : `the limit of ${limitInWords({ meter, amount: limit, window, windowMinutes })} is used up to ${at} % or more: ${numberInWords(used ?? 0)} of it`,
  spike: ({ used = 0, limit = 0, meter = 'runs' }) =>
    `it used ${amountInWords(used, nounOf(meter))} within an hour, where ${numberInWords(limit)} would still have been usual`,
  'key-places': ({ used }) => `it came from ${used} networks within an hour, as a key does that has leaked`,
  'key-refusals': ({ used }) =>
    `${used} of its requests were refused within an hour, as those of somebody are who tries out what they may`,
};

/** What is told of it with a run that it holds. */
export type HeldBy = {
  restrictionId: string;
  measure: Measure;
  reason: string;
  whatToDo: string;
  until: string | null;
};

export const heldByOf = (restriction: Restriction): HeldBy => ({
  restrictionId: restriction.id,
  measure: restriction.measure,
  reason: reasonOf(restriction),
  whatToDo: whatToDo(restriction),
  until: restriction.until?.toISOString() ?? null,
});

/** What ends it. */
export function whatToDo({ id, cause, measure, madeBy, until, quotaId }: Restriction): string {
  const end = until ? `It ends by itself at ${until.toISOString()}` : 'It ends by itself when less is used';
  const lift =
    madeBy === 'tenant'
      ? `an administrator can lift it (DELETE /v1/usage-restrictions/${id})`
      : 'operators of the platform can lift it';
  const room = measure === 'refuse' && cause === 'limit' ? ', which makes no room in a hard limit' : '';
  const more =
    cause === 'limit' ? moreOf(quotaId ?? '') : 'if the key or account is in other hands, revoke it';
  return `${end}; ${lift}${room}; ${more}.`;
}

const moreOf = (quotaId: string): string =>
  quotaId.startsWith('plan.')
    ? 'more can be asked for (POST /v1/quota-requests)'
    : `the limit can be changed (PATCH /v1/quotas/${quotaId}) or, where an operator set it, more be asked for (POST /v1/quota-requests)`;
