import { createMongoAbility, type MongoAbility, type MongoQuery } from '@casl/ability';
import { LRUCache } from 'lru-cache';
import type { Action, SubjectType } from './permission.ts';
import { permissions } from './permissions.ts';
import { type Conditions, exclude, hideableFields, implies, inWords, type Rule } from './rule.ts';

/**
 * What somebody may do: the rules of their roles, compiled to CASL. Denies come last, because in CASL the later rule
 * wins. Compiled once for each set of roles and version of their rules: who asks is not compiled in (`own` is a fact
 * of the object), so that all who hold the same roles share it.
 */
export type Grant = { role: string; rule: Rule };
export type Ability = MongoAbility<[Action, SubjectType | object]>;

export type Rights = {
  grants: Grant[];
  ability: Ability;
  /** A key of a person may never do more than the person: both have to allow it. */
  bound?: Rights;
};

const byRole = Map.groupBy(
  permissions.flatMap(({ action, subject, roles, ownOnly }): Grant[] => [
    ...roles.map((role): Grant => ({ role, rule: { effect: 'allow', action, subject } })),
    ...ownOnly.map(
      (role): Grant => ({
        role,
        rule: { effect: 'allow', action, subject, when: { ownerId: 'me' } },
      }),
    ),
  ]),
  ({ role }) => role,
);

export function isBuiltIn(role: string): boolean {
  return byRole.has(role);
}

/** What a built-in role may; nothing for a name that is none. */
export function builtInGrants(role: string): Grant[] {
  return byRole.get(role) ?? [];
}

export function compile(grants: Grant[], bound?: Rights): Rights {
  const ordered = grants.toSorted((one, other) => one.rule.effect.localeCompare(other.rule.effect));
  const ability = createMongoAbility<Ability>(
    ordered.map(({ role, rule }) => ({
      action: rule.action,
      subject: rule.subject,
      inverted: rule.effect === 'deny',
      reason: `${role} ${inWords(rule)}`,
      ...(rule.when && { conditions: query(rule.when) }),
      ...(rule.fields && { fields: rule.fields }),
    })),
  );
  return { grants: ordered, ability, ...(bound && { bound }) };
}

// Built-in roles never change while the process runs, so what they may is a function of their names alone.
const builtIn = new LRUCache<string, Rights>({ max: 500 });

export function rightsOfBuiltIn(roles: string[]): Rights {
  const name = roles.toSorted().join(' ');
  const known = builtIn.get(name) ?? compile(roles.flatMap(builtInGrants));
  builtIn.set(name, known);
  return known;
}

/** An undefined value would match objects that lack the field, so only what was said becomes a condition. */
function query({ ownerId, tags, environment }: Conditions): MongoQuery {
  return {
    ...(ownerId && { own: true }),
    ...(tags && { tags: { $in: tags.any } }),
    ...(environment && { environment: { $in: environment.any } }),
  };
}

/** What `wanted` may and `author` may not, in words; nobody gives what they do not hold. Doubt counts as missing. */
export function missingFrom(author: Rights, wanted: Rights): string[] {
  const missing = wanted.grants.filter(({ rule }) => rule.effect === 'allow' && !holds(author, rule));
  return [...new Set(missing.map(({ rule }) => inWords(rule)))];
}

function holds(author: Rights, wanted: Rule): boolean {
  if (author.bound && !holds(author.bound, wanted)) return false;
  const about = grantsAbout(author, wanted.action, wanted.subject).map(({ rule }) => rule);
  const denied = about.some((rule) => rule.effect === 'deny' && !exclude(rule.when, wanted.when));
  return !denied && about.some((rule) => rule.effect === 'allow' && contains(rule, wanted));
}

/** The rules about doing this to such objects, without those of a bound. */
export function grantsAbout({ grants }: Rights, action: Action, subject: SubjectType): Grant[] {
  return grants.filter(({ rule }) => rule.action === action && rule.subject === subject);
}

function contains(held: Rule, wanted: Rule): boolean {
  const fields = !held.fields || (wanted.fields?.every((field) => held.fields?.includes(field)) ?? false);
  return fields && implies(wanted.when, held.when);
}

/** What these rights say about doing this to such objects, each rule with its role: what a verdict had to choose from. */
export function rulesAbout(rights: Rights, action: Action, subject: SubjectType): string[] {
  const own = grantsAbout(rights, action, subject).map(({ role, rule }) => `${role} ${inWords(rule)}`);
  return rights.bound ? [...own, ...rulesAbout(rights.bound, action, subject)] : own;
}

/** Fields of this kind of object that some rule may hide from whoever has these rights. */
export function sometimesHidden(rights: Rights, subject: SubjectType): string[] {
  const own = (hideableFields[subject] ?? []).filter((field) =>
    rights.grants.some(
      ({ rule }) =>
        rule.subject === subject &&
        rule.action === 'read' &&
        rule.fields !== undefined &&
        rule.fields.includes(field) === (rule.effect === 'deny'),
    ),
  );
  return rights.bound ? [...new Set([...own, ...sometimesHidden(rights.bound, subject)])] : own;
}
