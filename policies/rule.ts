import type { Action, SubjectType } from './permission.ts';

/**
 * A rule of a role, as data: stored with the role, compiled to CASL (policies/rights.ts) and to SQL (models/visible.ts).
 * All conditions of one rule must hold. A deny beats every allow, whichever role it comes from.
 */
export const environments = ['development', 'staging', 'production'] as const;
export type Environment = (typeof environments)[number];

export type Conditions = {
  /** Only what belongs to whoever asks. */
  ownerId?: 'me';
  /** Only what carries at least one of these tags. */
  tags?: { any: string[] };
  environment?: { any: Environment[] };
};

export type Rule = {
  effect: 'allow' | 'deny';
  action: Action;
  subject: SubjectType;
  when?: Conditions;
  /** Reading only these fields (allow), or all but these (deny). */
  fields?: string[];
};

export type Condition = keyof Conditions;

/** Which conditions a subject's objects can be told apart by; subjects that are not named have none. */
export const conditionsOf: Partial<Record<SubjectType, readonly Condition[]>> = {
  Agent: ['ownerId', 'tags', 'environment'],
  Workflow: ['ownerId', 'tags'],
  Run: ['ownerId'],
  RunSchedule: ['ownerId'],
  Trigger: ['ownerId'],
  Memory: ['ownerId'],
  User: ['ownerId'],
  Session: ['ownerId'],
  SecondFactor: ['ownerId'],
  Password: ['ownerId'],
  ApiKey: ['ownerId'],
  Refusal: ['ownerId'],
  // What somebody used is theirs; what an agent used has its tags and its environment.
  Usage: ['ownerId', 'tags', 'environment'],
};

/** Fields of which a role may hide the content. What names an object and its version always stays. */
export const hideableFields: Partial<Record<SubjectType, readonly string[]>> = {
  Agent: [
    'description',
    'instructions',
    'model',
    'providerId',
    'tools',
    'outputSchema',
    'tags',
    'environment',
    'ownerId',
  ],
};

/** What the conditions look at, of one object as asked about by one principal. */
export type Facts = { own: boolean; tags?: string[]; environment?: string };

/** Rows come with the names of their columns, bodies with those of the API. `ids` are those of whoever asks. */
export function factsOf(object: Record<string, unknown>, ids: readonly string[]): Facts {
  const owner = object.ownerId ?? object.owner_id;
  return {
    own: typeof owner === 'string' && ids.includes(owner),
    ...(Array.isArray(object.tags) && { tags: object.tags.map(String) }),
    ...(typeof object.environment === 'string' && { environment: object.environment }),
  };
}

/** The rule in words, for the audit trail and whoever asks why. */
export function inWords({ effect, action, subject, when = {}, fields }: Rule): string {
  const parts = [
    when.ownerId && 'that are one’s own',
    when.tags && `tagged ${when.tags.any.join(' or ')}`,
    when.environment && `in ${when.environment.any.join(' or ')}`,
    fields && `(fields ${fields.join(', ')})`,
  ].filter(Boolean);
  return [effect === 'allow' ? 'may' : 'may not', action, subject, ...parts].join(' ');
}

/** Whether everything that fulfils `special` also fulfils `general`. */
export function implies(special: Conditions = {}, general: Conditions = {}): boolean {
  if (general.ownerId && !special.ownerId) return false;
  return (
    withinList(special.tags?.any, general.tags?.any) &&
    withinList(special.environment?.any, general.environment?.any)
  );
}

/** Whether nothing can fulfil both. Tags tell nothing apart: an object may carry all of them. */
export function exclude(one: Conditions = {}, other: Conditions = {}): boolean {
  const [here, there] = [one.environment?.any, other.environment?.any];
  return here !== undefined && there !== undefined && !here.some((each) => there.includes(each));
}

function withinList(special: readonly string[] | undefined, general: readonly string[] | undefined): boolean {
  if (!general) return true;
  return special?.every((each) => general.includes(each)) ?? false;
}
