import { amountInWords, nounOf } from '../policies/limit-words.ts';
import { permissions } from '../policies/permissions.ts';
import type { Limited } from '../policies/quotas.ts';
import { Refusal } from '../policies/refusal.ts';
import type { Measure } from '../policies/usage-ladder.ts';

/**
 * Refusals because of a limit or of what is restricted, as they are explained: what was looked at is the limit or the
 * restriction itself, and who can change it follows from whose it is.
 */
export type Limiting = {
  quota?: { id: string | null; meter?: Limited | null; limit?: number | null };
  restriction?: {
    id: string;
    madeBy: 'tenant' | 'platform';
    measure?: Measure;
    cause?: string;
    quotaId?: string | null;
  };
};

/** What is kept of such a refusal with its event in the trail. */
export function limitingOf(thrown: unknown): Limiting {
  if (!(thrown instanceof Refusal)) return {};
  const { quota, restriction } = thrown.extra as Limiting; // set by quota-refusal.ts and usage-restriction.ts alone
  return { ...(quota && { quota }), ...(restriction && { restriction }) };
}

/** What refused, in a line: the refusal's own sentence says how it stood. */
export function limitRule({ quota, restriction }: Limiting): string | undefined {
  if (restriction) {
    const { id, measure, cause, quotaId, madeBy } = restriction;
    const whose = madeBy === 'tenant' ? 'the ladder of the organisation' : 'the platform';
    return `restriction ${id}: ${measure}, by ${whose}, because of ${quotaId ? `the limit ${quotaId}` : cause}`;
  }
  if (!quota?.id || !quota.meter || typeof quota.limit !== 'number') return undefined;
  return `limit ${quota.id}: at most ${amountInWords(quota.limit, nounOf(quota.meter))}`;
}

const rolesThatMay = (action: string, subject: string): string[] =>
  permissions.find((each) => each.action === action && each.subject === subject)?.roles ?? [];

export type Changeable = { how: string; roles: string[] };

/** Undefined where it was no limit that refused. */
export function limitChangeable({ quota, restriction }: Limiting): Changeable | undefined {
  if (restriction) {
    const own = restriction.madeBy === 'tenant';
    const lift = `DELETE /v1/usage-restrictions/${restriction.id}`;
    return {
      how: own
        ? `${lift}, or another ladder: PUT /v1/usage-ladder`
        : 'POST /v1/quota-requests; only operators of the platform can lift it.',
      roles: own ? rolesThatMay('lift', 'UsageRestriction') : rolesThatMay('create', 'QuotaRequest'),
    };
  }
  // Of a budget that a run or call was given there is no limit to change.
  if (!quota?.id) return undefined;
  if (quota.id.startsWith('plan.'))
    return {
      how: 'POST /v1/quota-requests, or another plan',
      roles: rolesThatMay('create', 'QuotaRequest'),
    };
  return {
    how: `PATCH /v1/quotas/${quota.id}, or POST /v1/quota-requests where an operator set it`,
    roles: rolesThatMay('update', 'Quota'),
  };
}
