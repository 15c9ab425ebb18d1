import { matches } from './llm-provider.ts';
import type { Limited, QuotaWindow } from './quotas.ts';
import { Refusal } from './refusal.ts';
import { reasonOf, whatToDo } from './restriction-words.ts';
import type { Cheaper, Measure } from './usage-ladder.ts';

/**
 * What a restriction means for an act. A restriction is a measure that holds just now, for everybody or for one agent,
 * tag, key or person, because of a limit or of what looks like abuse. Several may hold at once: the slowest rate, and
 * any refusal, count.
 */
export const restrictionScopes = ['tenant', 'tag', 'agent', 'key', 'user'] as const;
export type RestrictionScope = (typeof restrictionScopes)[number];

export const restrictionCauses = ['limit', 'spike', 'key-places', 'key-refusals'] as const;
export type RestrictionCause = (typeof restrictionCauses)[number];

/** How it came to be, and what goes with the measure; written by the watch. */
export type RestrictionData = {
  at?: number;
  meter?: Limited;
  limit?: number;
  used?: number;
  /** Of the limit it is because of. */
  window?: QuotaWindow;
  windowMinutes?: number | null;
  factor?: number;
  models?: Cheaper[];
};

export type Restriction = {
  id: string;
  scope: RestrictionScope;
  scopeId: string;
  measure: Measure;
  cause: RestrictionCause;
  madeBy: 'platform' | 'tenant';
  quotaId: string | null;
  data: RestrictionData;
  since: Date;
  until: Date | null;
};

/** Who does it, and with what. `ids`: of the key and of the person, as far as they take part. */
export type Acting = {
  ids: readonly string[];
  agentId?: string | null | undefined;
  tags?: readonly string[] | undefined;
};

const concerns = ({ scope, scopeId }: Restriction, { ids, agentId, tags = [] }: Acting): boolean => {
  if (scope === 'tenant') return true;
  if (scope === 'agent') return scopeId === agentId;
  return scope === 'tag' ? tags.includes(scopeId) : ids.includes(scopeId);
};

const holds = ({ until }: Restriction, now: Date): boolean => until === null || until > now;

function holding(all: readonly Restriction[], measure: Measure, acting: Acting, now: Date): Restriction[] {
  return all.filter((each) => each.measure === measure && holds(each, now) && concerns(each, acting));
}

/** What is left of a rate or of a number at once, and because of which restriction; 1 when nothing slows it. */
export function slowed(
  all: readonly Restriction[],
  acting: Acting,
  now: Date,
): { factor: number; because?: Restriction } {
  const [slowest] = holding(all, 'slow', acting, now).sort(
    (one, other) => (one.data.factor ?? 1) - (other.data.factor ?? 1),
  );
  return slowest ? { factor: slowest.data.factor ?? 1, because: slowest } : { factor: 1 };
}

/** Which model is asked instead; undefined when it stays. */
export function cheaperModel(
  all: readonly Restriction[],
  acting: Acting,
  model: string,
  now: Date,
): { to: Cheaper; because: Restriction } | undefined {
  for (const because of holding(all, 'cheaper-model', acting, now)) {
    const to = because.data.models?.find(({ from }) => matches(from, model));
    if (to && to.to !== model) return { to, because };
  }
  return undefined;
}

/** What can be refused. A request is refused only to a key: people have to be able to see what happened, and to mend it. */
export type Act = 'start a run' | 'call a model' | 'keep a memory' | 'report usage' | 'ask anything';

/** What each kind of limit refuses, once it is reached: what would use more of it, and nothing that helps. */
function refuses({ cause, scope, data: { meter } }: Restriction, act: Act): boolean {
  // It has been used already; not to hear of it saves nothing but the room it takes.
  if (act === 'report usage') return cause === 'limit' && meter === 'storage.bytes';
  if (cause !== 'limit') return act !== 'ask anything' || scope === 'key';
  if (meter === 'storage.bytes') return act === 'start a run' || act === 'keep a memory';
  if (act === 'ask anything') return meter === 'api-calls';
  // What was begun within the limit is not to fail for it.
  if (meter === 'runs') return act === 'start a run';
  return act !== 'keep a memory';
}

export function refusalOf(
  all: readonly Restriction[],
  act: Act,
  acting: Acting,
  now: Date,
): Refusal | undefined {
  const because = holding(all, 'refuse', acting, now).find((each) => refuses(each, act));
  return because && restricted(because, act, now);
}

/** Says what is refused, why, until when, and what to do about it. */
export function restricted(because: Restriction, act: string, now: Date): Refusal {
  const { id, measure, cause, quotaId, madeBy, since, until } = because;
  const seconds = until && Math.max(1, Math.ceil((until.getTime() - now.getTime()) / 1_000));
  return new Refusal(
    'restricted',
    `It is not possible to ${act} just now. ${reasonOf(because)} ${whatToDo(because)}`,
    {
      ...(seconds && { retryAfterSeconds: seconds }),
      extra: {
        restriction: {
          id,
          measure,
          cause,
          quotaId,
          madeBy,
          since: since.toISOString(),
          until: until?.toISOString() ?? null,
          href: `/v1/usage-restrictions/${id}`,
        },
      },
    },
  );
}
