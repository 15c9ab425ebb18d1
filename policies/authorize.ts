import { createMongoAbility, type MongoAbility, subject as named } from '@casl/ability';
import { LRUCache } from 'lru-cache';
import { type Action, type BuiltInRole, permissions, type SubjectType } from './permissions.ts';
import type { SystemActor } from './principal.ts';

/**
 * May this principal do this to this object? Always asked with the object itself, never with its type alone: CASL
 * answers a question about a type with "for some such object". Someone who may not even read the object is told it
 * is not there; someone who may read it but not act on it is told it is forbidden. The rule that decided is kept
 * for the audit trail.
 */
export type Verdict = { allowed: true; rule: string } | { allowed: false; visible: boolean; rule: string };

export type Subject = { type: SubjectType; object: Record<string, unknown> };

type Rules = MongoAbility<[Action, SubjectType | object]>;

// Built-in roles never change while the process runs, so an ability is a function of the role names alone.
const abilities = new LRUCache<string, Rules>({ max: 500 });

function abilityOf(roles: string[]): Rules {
  const name = roles.toSorted().join(' ');
  const known = abilities.get(name);
  if (known) return known;
  const granted = permissions.filter((row) => row.roles.some((role) => roles.includes(role)));
  const ability = createMongoAbility<Rules>(
    granted.map((row) => ({ action: row.action, subject: row.subject, reason: ruleName(row, roles) })),
  );
  abilities.set(name, ability);
  return ability;
}

function ruleName(
  row: { action: Action; subject: SubjectType; roles: BuiltInRole[] },
  roles: string[],
): string {
  const role = row.roles.find((each) => roles.includes(each));
  return `${role} may ${row.action} ${row.subject}`;
}

export function authorize(roles: string[], action: Action, asked: Subject): Verdict {
  const ability = abilityOf(roles);
  const object = named(asked.type, { ...asked.object });
  const rule = ability.relevantRuleFor(action, object);
  if (rule && !rule.inverted) return { allowed: true, rule: rule.reason ?? `may ${action} ${asked.type}` };
  return {
    allowed: false,
    visible: ability.can('read', object),
    rule: `no role allows ${action} ${asked.type}`,
  };
}

/** What each named part of Freehold may do without a person's roles behind it. */
const systemRights: Record<SystemActor, [Action, SubjectType][]> = {
  'system:undo': [
    ['create', 'Tenant'],
    ['suspend', 'Tenant'],
    ['reactivate', 'Tenant'],
    ['delete', 'Tenant'],
    ['revoke', 'Invitation'],
    ['read', 'Operation'],
  ],
  'system:delete-tenant': [
    ['delete', 'Tenant'],
    ['read', 'Operation'],
  ],
  'system:invite-user': [['revoke', 'Invitation']],
  'system:sweep': [['sweep', 'Platform']],
  'system:bootstrap': [],
};

export function systemMay(actor: SystemActor, action: Action, subject: SubjectType): boolean {
  return systemRights[actor].some(([may, on]) => may === action && on === subject);
}
