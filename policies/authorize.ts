import { subject as named } from '@casl/ability';
import type { Action, SubjectType } from './permission.ts';
import type { SystemActor } from './principal.ts';
import { type Rights, sometimesHidden } from './rights.ts';
import { type Facts, factsOf } from './rule.ts';

/**
 * May this principal do this to this object? Always asked with the object itself, never with its type alone: CASL
 * answers a question about a type with "for some such object". Someone who may not even read the object is told it
 * is not there; someone who may read it but not act on it is told it is forbidden. The rule that decided is kept
 * for the audit trail.
 */
export type Verdict = { allowed: boolean; visible: boolean; rule: string };

export type Subject = {
  type: SubjectType;
  object: Record<string, unknown>;
  /** The ids of whoever asks: what belongs to one of them is their own. */
  ids?: readonly string[];
};

export function authorize(rights: Rights, action: Action, asked: Subject): Verdict {
  const { type } = asked;
  const facts = factsOf(asked.object, asked.ids ?? []);
  const { allowed, rule } = decided(rights, action, type, facts);
  return { allowed, rule, visible: allowed || decided(rights, 'read', type, facts).allowed };
}

function decided(rights: Rights, action: Action, type: SubjectType, facts: Facts) {
  const found = rights.ability.relevantRuleFor(action, named(type, { ...facts }));
  const allowed = found !== null && !found.inverted;
  const rule = found?.reason ?? `no role allows ${action} ${type}`;
  if (!allowed || !rights.bound) return { allowed, rule };
  return decided(rights.bound, action, type, facts);
}

/** The fields of this object that may not be read. */
export function hiddenFields(rights: Rights, { type, object, ids = [] }: Subject): string[] {
  const candidates = sometimesHidden(rights, type);
  if (candidates.length === 0) return candidates;
  const facts = named(type, { ...factsOf(object, ids) });
  const readable = (by: Rights, field: string): boolean =>
    by.ability.can('read', facts, field) && (!by.bound || readable(by.bound, field));
  return candidates.filter((field) => !readable(rights, field));
}

/** What a decision looked at, without what this reader may not see of the object. */
export function readableFacts(rights: Rights, asked: Subject, facts: Partial<Facts>): Partial<Facts> {
  const hidden = hiddenFields(rights, asked);
  const known = Object.entries(facts);
  return Object.fromEntries(known.filter(([name]) => !hidden.includes(name === 'own' ? 'ownerId' : name)));
}

/** What each named part of Freehold may do without a person's roles behind it. */
const systemRights: Record<SystemActor, [Action, SubjectType][]> = {
  'system:undo': [
    ['create', 'Tenant'],
    ['suspend', 'Tenant'],
    ['reactivate', 'Tenant'],
    ['delete', 'Tenant'],
    ['revoke', 'Invitation'],
    ['reset', 'Password'],
    ['rotate', 'EncryptionKey'],
    ['update', 'Setting'],
    ['update', 'Quota'],
    ['read', 'Operation'],
  ],
  'system:delete-tenant': [
    ['delete', 'Tenant'],
    ['read', 'Operation'],
  ],
  'system:invite-user': [['revoke', 'Invitation']],
  'system:reset-password': [['reset', 'Password']],
  'system:rotate-key': [['rotate', 'EncryptionKey']],
  'system:rotate-root-key': [['rotate', 'RootKey']],
  'system:sweep': [['sweep', 'Platform']],
  'system:discovery': [['send', 'Discovery']],
  // A run is closed, and told what is wanted of it, whatever whoever started it may by now.
  'system:run': [
    ['read', 'Run'],
    ['cancel', 'Run'],
  ],
  // Whether the schedule's owner may is asked by the activity, which knows whose it is.
  'system:run-schedule': [['start', 'Run']],
  'system:integrations': [['update', 'Integration']],
  'system:bootstrap': [],
  'system:retention': [['retain', 'Platform']],
  'system:meter': [['meter', 'Platform']],
  'system:raise-quota': [['update', 'Quota']],
};

export function systemMay(actor: SystemActor, action: Action, subject: SubjectType): boolean {
  return systemRights[actor].some(([may, on]) => may === action && on === subject);
}
