import type { Limited, QuotaWindow } from './quotas.ts';
import type { Measure } from './usage-ladder.ts';
import type { Restriction } from './usage-restriction.ts';

/** What is kept of a restriction for those who are told of it: ids, counts, times and names of meters. */
export type RestrictionNotice = {
  restrictionId: string;
  measure: Restriction['measure'];
  scope: Restriction['scope'];
  scopeId: string;
  cause: Restriction['cause'];
  madeBy: Restriction['madeBy'];
  quotaId: string | null;
  meter: Limited | null;
  at: number | null;
  used: number | null;
  limit: number | null;
  window: QuotaWindow | null;
  windowMinutes: number | null;
  factor: number | null;
  since: string;
  until: string | null;
};

export function noticeOf(restriction: Restriction): RestrictionNotice {
  const { id, measure, scope, scopeId, cause, madeBy, quotaId, data, since, until } = restriction;
  return {
    ...{ restrictionId: id, measure, scope, scopeId, cause, madeBy, quotaId },
    meter: data.meter ?? null,
    at: data.at ?? null,
    used: data.used ?? null,
    limit: data.limit ?? null,
    window: data.window ?? null,
    windowMinutes: data.windowMinutes ?? null,
    factor: data.factor ?? null,
    since: since.toISOString(),
    until: until?.toISOString() ?? null,
  };
}

/** The restriction again, as far as its sentences need it. */
export function restrictionOf(notice: RestrictionNotice): Restriction {
  const { restrictionId: id, meter, at, used, limit, window, windowMinutes, factor, ...same } = notice;
  return {
    ...same,
    id,
    data: {
      ...(meter && { meter }),
      ...(at !== null && { at }),
      ...(used !== null && { used }),
      ...(limit !== null && { limit }),
      ...(window && { window, windowMinutes }),
      ...(factor && { factor }),
    },
    since: new Date(same.since),
    until: same.until === null ? null : new Date(same.until),
  };
}

/** In a word or two, for subjects and lists. */
export const measureInWords: Record<Measure, string> = {
  warn: 'a limit is near',
  slow: 'slowed down',
  'cheaper-model': 'cheaper models are asked',
  queue: 'new runs wait',
  refuse: 'nothing new begins',
  stop: 'runs are held',
};

/** What it does to acts, in a sentence without its end. */
export function effectInWords({ measure, factor, meter, cause }: RestrictionNotice): string {
  switch (measure) {
    case 'warn':
      return 'Nothing is restricted yet';
    case 'slow':
      return `Requests and runs are slowed down to ${Math.round((factor ?? 1) * 100)} %`;
    case 'cheaper-model':
      return 'Cheaper models are asked';
    case 'queue':
      return 'New runs wait';
    case 'stop':
      return 'Runs under way are held between two steps';
    case 'refuse':
      return cause === 'limit' ? refusedInWords(meter) : 'Whatever begins with it is refused';
  }
}

/** As `refuses` (usage-restriction.ts) has it. */
function refusedInWords(meter: Limited | null): string {
  if (meter === 'storage.bytes') return 'New runs and new memories are refused';
  if (meter === 'api-calls') return 'New runs, calls of models and requests with keys are refused';
  return meter === 'runs' ? 'New runs are refused' : 'New runs and calls of models are refused';
}
