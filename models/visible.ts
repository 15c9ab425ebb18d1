import { rulesToCondition } from '@casl/ability/extra';
import type { SubjectType } from '../policies/permissions.ts';
import type { Ability, Rights } from '../policies/rights.ts';
import { environments } from '../policies/rule.ts';

/**
 * The rows somebody may read, as a condition in SQL: lists are filtered by the very rules that CASL decides single
 * objects by, before the rows are counted into a page. Compiled from CASL's own rules; columns are `owner_id`, `tags`
 * and `environment`, whatever the table. A condition is never NULL, so that NOT keeps what has no owner.
 */
export type Visible = (first: number) => { text: string; values: (string | null)[] };

/** `first` is the number of the first placeholder that is free in the statement. */
export function visibleTo(rights: Rights, subject: SubjectType, ids: readonly string[]): Visible {
  return (first) => {
    const values: string[] = [];
    const slot = (value: string) => `$${first + values.push(value) - 1}`;
    const text = conditionOf(rights, subject, ids, slot);
    return { text, values };
  };
}

type Slot = (value: string) => string;

function conditionOf(rights: Rights, subject: SubjectType, ids: readonly string[], slot: Slot): string {
  const all = (parts: string[], word: string) => `(${parts.join(` ${word} `)})`;
  const own =
    rulesToCondition<Ability, string, string>(
      rights.ability.rulesFor('read', subject),
      (rule) => {
        const holds = sqlOf(rule.conditions, ids, slot);
        return rule.inverted ? `NOT coalesce(${holds}, false)` : holds;
      },
      { and: (parts) => all(parts, 'AND'), or: (parts) => all(parts, 'OR'), empty: () => 'true' },
    ) ?? 'false';
  return rights.bound ? all([own, conditionOf(rights.bound, subject, ids, slot)], 'AND') : own;
}

type Compiled = { own?: true; tags?: { $in: string[] }; environment?: { $in: string[] } };

function sqlOf(conditions: unknown, ids: readonly string[], slot: Slot): string {
  const { own, tags, environment } = conditions as Compiled; // made by compile() in policies/rights.ts
  const parts = [
    ...(own ? [`owner_id = ANY (${slot(arrayOf(ids))}::text[])`] : []),
    ...(tags ? [`tags && ${slot(arrayOf(tags.$in))}::text[]`] : []),
    ...(environment ? [environmentSql(environment.$in, slot)] : []),
  ];
  return parts.length === 0 ? 'true' : `(${parts.join(' AND ')})`;
}

function environmentSql(wanted: string[], slot: Slot): string {
  if (environments.every((each) => wanted.includes(each))) return 'true';
  return `environment = ANY (${slot(arrayOf(wanted))}::text[])`;
}

/** An array as Postgres reads it from text. */
function arrayOf(values: readonly string[]): string {
  const quoted = values.map((value) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`);
  return `{${quoted.join(',')}}`;
}
