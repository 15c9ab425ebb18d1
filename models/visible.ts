import { rulesToCondition } from '@casl/ability/extra';
import type { Action, SubjectType } from '../policies/permission.ts';
import type { Ability, Rights } from '../policies/rights.ts';
import { environments } from '../policies/rule.ts';

/**
 * The rows somebody may read (or do something else to), as a condition in SQL: lists are filtered by the very rules that CASL decides single
 * objects by, before the rows are counted into a page. Compiled from CASL's own rules; columns are `owner_id`, `tags`
 * and `environment`, whatever the table. A condition is never NULL, so that NOT keeps what has no owner.
 */
export type Visible = (first: number) => { text: string; values: (string | null)[] };

/** `first` is the number of the first placeholder that is free in the statement. */
export function visibleTo(
  rights: Rights,
  subject: SubjectType,
  ids: readonly string[],
  action: Action = 'read',
): Visible {
  return (first) => {
    const values: string[] = [];
    const slot = (value: string) => `$${first + values.push(value) - 1}`;
    const text = conditionOf(rights, { action, subject, ids, slot });
    return { text, values };
  };
}

type Slot = (value: string) => string;
type Asked = { action: Action; subject: SubjectType; ids: readonly string[]; slot: Slot };

/** Written only once it is known which conditions count, for a value without a place in the text is an error. */
type Late = () => string;

function conditionOf(rights: Rights, asked: Asked): string {
  const { action, subject, ids, slot } = asked;
  const joined = (parts: Late[], word: string): Late => {
    return () => `(${parts.map((part) => part()).join(` ${word} `)})`;
  };
  const late = rulesToCondition<Ability, Late, Late>(
    rights.ability.rulesFor(action, subject),
    (rule) => () => {
      const holds = sqlOf(rule.conditions, ids, slot);
      return rule.inverted ? `NOT coalesce(${holds}, false)` : holds;
    },
    { and: (parts) => joined(parts, 'AND'), or: (parts) => joined(parts, 'OR'), empty: () => () => 'true' },
  );
  const own = late?.() ?? 'false';
  return rights.bound ? `(${own} AND ${conditionOf(rights.bound, asked)})` : own;
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
