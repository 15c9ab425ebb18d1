import { type Limited, type QuotaScope, type QuotaWindow, unitOf } from './quotas.ts';

/**
 * How a limit is said wherever people read of it, in answers, mails, notices and reports: `5 runs a day for the agent
 * Researcher`. Ids are for programs; they stand in fields of their own.
 */
const nouns: Partial<Record<Limited, string>> = {
  'tokens.input': 'tokens read',
  'tokens.output': 'tokens written',
  'tokens.cached': 'tokens from a cache',
  'tokens.reasoning': 'tokens of reasoning',
  'storage.bytes': 'bytes of storage',
  'egress.bytes': 'bytes sent',
  'compute.worker-seconds': 'seconds of workers',
  'compute.database-seconds': 'seconds of the database',
};

/** What is counted, in the plural. */
export const nounOf = (limited: Limited): string => nouns[limited] ?? unitOf(limited);

const singularOf = (noun: string): string =>
  noun === 'people' ? 'person' : noun.replace(/^(\w+?)s\b/, '$1');

export const numberInWords = (value: number): string =>
  value.toLocaleString('en', { maximumFractionDigits: 0 });

/** `1 run`, `7 runs`, `1 person`. */
export const amountInWords = (amount: number, noun: string): string =>
  `${numberInWords(amount)} ${amount === 1 ? singularOf(noun) : noun}`;

/** What was written before windows were kept with it has none. */
export type SaidLimit = {
  meter: Limited;
  amount: number;
  window?: QuotaWindow | null | undefined;
  windowMinutes?: number | null | undefined;
};

export const limitInWords = (limit: SaidLimit): string =>
  `${amountInWords(limit.amount, nounOf(limit.meter))}${windowInWords(limit)}`;

/** Of what is used in a time the time, of what is under way `at once`, of what there is nothing. */
export function windowInWords({
  window,
  windowMinutes,
}: Pick<SaidLimit, 'window' | 'windowMinutes'>): string {
  if (!window || window === 'level') return '';
  if (window === 'concurrent') return ' at once';
  if (window === 'rolling') return ` in any ${spanInWords(windowMinutes ?? 0)}`;
  return ` ${window === 'hour' ? 'an' : 'a'} ${window}`;
}

function spanInWords(minutes: number): string {
  if (minutes % 1_440 === 0 && minutes > 1_440) return `${minutes / 1_440} days`;
  return minutes % 60 === 0 && minutes > 60 ? `${minutes / 60} hours` : `${minutes} minutes`;
}

const whose: Record<QuotaScope | 'user', string> = {
  tenant: '',
  tag: ' for agents with the tag ',
  agent: ' for the agent ',
  key: ' for the key ',
  run: ' for the run ',
  user: ' for ',
};

export const whoseInWords = (scope: QuotaScope | 'user', name: string): string =>
  scope === 'tenant' || name === '' ? '' : `${whose[scope]}${name}`;

/** Minute and zone, as people who live there read a clock. */
export function momentInWords(moment: Date, zone: string): string {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' });
  return `${format.format(moment)} (${zone})`;
}
