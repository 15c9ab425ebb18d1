import { type MeterName, meterOf } from './meters.ts';

/**
 * What a limit is: so much of a meter, in a window, for a scope. `level` limits what there is at a moment (agents, seats,
 * bytes); `concurrent` what is under way at once; all others what is used from the window's beginning to its end, in
 * calendar windows of the limit's zone, or rolling: in the last so many minutes.
 */
export const quotaWindows = [
  'level',
  'concurrent',
  'minute',
  'hour',
  'day',
  'week',
  'month',
  'rolling',
] as const;
export type QuotaWindow = (typeof quotaWindows)[number];

/** Whose use counts: everybody's, or that of one tag of agents, one agent, one key, one run; or of each of them. */
export const quotaScopes = ['tenant', 'tag', 'agent', 'key', 'run'] as const;
export type QuotaScope = (typeof quotaScopes)[number];

/** Where it comes from: the plan; an operator, over the plan; or the organisation's own, within the plan's. */
export const quotaOrigins = ['plan', 'operator', 'tenant'] as const;
export type QuotaOrigin = (typeof quotaOrigins)[number];

/** What one limit is on: a meter, or tokens read and written together. */
export type Limited = MeterName | 'tokens';
export const metersOf = (limited: Limited): MeterName[] =>
  limited === 'tokens' ? ['tokens.input', 'tokens.output'] : [limited];
/** All meters of one limit are counted in the same. */
export const unitOf = (limited: Limited): string => meterOf(metersOf(limited)[0] ?? 'runs').unit;

/** The limits every plan states, by the name they have there, in `POST /v1/tenants` and in `GET /v1/tenant`. */
export const planLimits = {
  agents: { meter: 'agents', window: 'level' },
  seats: { meter: 'seats', window: 'level' },
  runs: { meter: 'runs', window: 'month' },
  tokens: { meter: 'tokens', window: 'month' },
  storageBytes: { meter: 'storage.bytes', window: 'level' },
} as const satisfies Record<string, { meter: Limited; window: QuotaWindow }>;
export type PlanLimit = keyof typeof planLimits;
// Object.keys forgets the key type; the object above is closed, so the cast only restores it.
export const planLimitNames = Object.keys(planLimits) as [PlanLimit, ...PlanLimit[]];
/** A plan's limit has the same id in every organisation; others have ids of their own. */
export const planQuotaId = (name: PlanLimit): string => `plan.${name}`;

type Unreachable = 'refuse' | 'allow';

/** A limit as it stands in its row (models/tenant/quota.ts). */
export type QuotaRule = {
  id: string;
  meter: Limited;
  window: QuotaWindow;
  /** Of rolling windows. */
  windowMinutes: number | null;
  zone: string;
  scope: QuotaScope;
  /** Whose; empty: of each of them for itself. */
  scopeId: string;
  amount: number;
  raisedTo: number | null;
  raisedUntil: Date | null;
  hard: boolean;
  unreachable: Unreachable;
  thresholds: number[];
  origin: QuotaOrigin;
  version: number;
  createdAt: Date;
};

/** What holds at a moment: a raise for a time never gives less than there is without it. */
export function effectiveAmount(
  rule: Pick<QuotaRule, 'amount' | 'raisedTo' | 'raisedUntil'>,
  at: Date,
): number {
  const raised = rule.raisedTo !== null && rule.raisedUntil !== null && rule.raisedUntil > at;
  return raised ? Math.max(rule.amount, rule.raisedTo ?? 0) : rule.amount;
}

/** Who uses: of a reading, or of what is to be held. */
export type Usings = {
  agentId?: string | undefined;
  keyId?: string | undefined;
  runId?: string | undefined;
  tags?: readonly string[] | undefined;
};

const whose: Record<QuotaScope, (by: Usings) => readonly string[]> = {
  tenant: () => [''],
  tag: ({ tags = [] }) => [...new Set(tags)],
  agent: ({ agentId }) => (agentId ? [agentId] : []),
  key: ({ keyId }) => (keyId ? [keyId] : []),
  run: ({ runId }) => (runId ? [runId] : []),
};

/** Every scope this use is of. */
export const scopesOf = (by: Usings): [QuotaScope, string][] =>
  quotaScopes.flatMap((scope) => whose[scope](by).map((id): [QuotaScope, string] => [scope, id]));

export type Applied = { rule: QuotaRule; scopeId: string };

export const concerns = (rule: Pick<QuotaRule, 'meter'>, meter: Limited): boolean =>
  metersOf(rule.meter).some((each) => metersOf(meter).includes(each));

/**
 * Everything that limits this use: each rule once for each of its scopes that the use is of. Of tokens that may be read or
 * written, as it comes, also what limits one of the two.
 */
export function limitsOn(rules: readonly QuotaRule[], meter: Limited, by: Usings): Applied[] {
  return rules
    .filter((rule) => concerns(rule, meter))
    .flatMap((rule) =>
      whose[rule.scope](by)
        .filter((scopeId) => rule.scopeId === '' || rule.scopeId === scopeId)
        .map((scopeId) => ({ rule, scopeId })),
    );
}
