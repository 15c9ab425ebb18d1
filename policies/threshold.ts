import type { QuotaWindow } from './quotas.ts';

/**
 * How often people are told of a limit. A threshold is crossed once in each window of a limit; where windows are short, or
 * what is counted goes up and down, that could be every minute, and nobody reads what comes every minute. Every crossing
 * is kept; people are told when they have not been told of the same within these hours.
 */
export const quietHours: Record<QuotaWindow, number> = {
  level: 1,
  concurrent: 24,
  minute: 24,
  hour: 24,
  day: 0,
  week: 0,
  month: 0,
  rolling: 24,
};

/** Who is told of a limit: whoever administers, and of what the plan gives also whoever pays for it. */
export const toldOf = (quotaId: string): string[] =>
  quotaId.startsWith('plan.') ? ['owner', 'admin', 'billing'] : ['owner', 'admin'];
