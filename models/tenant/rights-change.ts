import type { Action, SubjectType } from '../../policies/permission.ts';
import { permissions } from '../../policies/permissions.ts';
import { grantsAbout, type Rights, sometimesHidden } from '../../policies/rights.ts';
import { inWords } from '../../policies/rule.ts';
import type { Row } from '../batch.ts';
import type { Sql } from '../scope.ts';
import { visibleTo } from '../visible.ts';
import type { Holder } from './holders.ts';

/**
 * Who would gain and lose what: compares what people may before and after, permission by permission, and where the
 * objects stand in a table counts the very objects, by the same SQL that filters lists. Everything is counted, and
 * what the asker may read is named.
 */
type Difference = {
  action: Action;
  subject: SubjectType;
  /** The rules in words, before and after. */
  before: string[];
  after: string[];
  gained?: { count: number; sample: string[] };
  lost?: { count: number; sample: string[] };
  /** Fields that would be hidden, or shown again, on some objects. */
  hides?: string[];
  shows?: string[];
};

export type Affected = { id: string; kind: Holder['kind']; name: string; changes: Difference[] };

/** Tables whose rows can be counted, each as (id, owner_id, tags, environment) where it has them. */
const objects: Partial<Record<SubjectType, string>> = {
  Agent: 'agents',
  Workflow: 'workflows',
  Memory: 'memories',
  ApiKey: 'api_keys',
  User: '(SELECT id, id AS owner_id FROM users) people',
};

const sampleMax = 10;
const affectedMax = 100;

/** Who wants to know, by all their ids. */
type Asker = { rights: Rights; ids: readonly string[] };

export type Standing = { holder: Holder; before: Rights; after: Rights };

export async function affectedBy(
  sql: Sql,
  standings: Standing[],
  asker: Asker,
): Promise<{ affected: Affected[]; further: number }> {
  const affected: Affected[] = [];
  for (const standing of standings.slice(0, affectedMax)) {
    const { id, kind, name } = standing.holder;
    const changes = await changesOf(sql, standing, asker);
    if (changes.length > 0) affected.push({ id, kind, name, changes });
  }
  return { affected, further: Math.max(0, standings.length - affectedMax) };
}

async function changesOf(sql: Sql, { holder, before, after }: Standing, asker: Asker): Promise<Difference[]> {
  const differences: Difference[] = [];
  for (const { action, subject, scope } of permissions) {
    if (scope !== 'tenant') continue;
    const [was, will] = [about(before, action, subject), about(after, action, subject)];
    if (was.join() === will.join()) continue;
    const counted = await countOf(sql, holder.id, { action, subject, before, after, asker });
    // A rule that repeats another, or denies what was not allowed, changes nothing for anybody.
    if (counted && !counted.gained && !counted.lost && !counted.hides && !counted.shows) continue;
    differences.push({ action, subject, before: was, after: will, ...counted });
  }
  return differences;
}

function about(rights: Rights, action: Action, subject: SubjectType): string[] {
  const found = grantsAbout(rights, action, subject).map(({ rule }) => inWords(rule));
  return [...new Set(found)].sort();
}

type Asked = { action: Action; subject: SubjectType; before: Rights; after: Rights; asker: Asker };

async function countOf(sql: Sql, holderId: string, asked: Asked): Promise<Partial<Difference> | undefined> {
  const { action, subject, before, after, asker } = asked;
  const table = objects[subject];
  if (!table || action === 'create') return undefined;
  const was = visibleTo(before, subject, [holderId], action)(1);
  const will = visibleTo(after, subject, [holderId], action)(1 + was.values.length);
  const may = visibleTo(asker.rights, subject, asker.ids)(1 + was.values.length + will.values.length);
  const [row = {}] = await sql(
    `SELECT ${counting(`(${will.text}) AND NOT (${was.text})`, 'gained', may.text)},
            ${counting(`(${was.text}) AND NOT (${will.text})`, 'lost', may.text)} FROM ${table}`,
    [...was.values, ...will.values, ...may.values],
  );
  return { ...change(row, 'gained'), ...change(row, 'lost'), ...(action === 'read' && fields(asked)) };
}

const counting = (condition: string, name: string, readable: string) => `
  count(*) FILTER (WHERE coalesce(${condition}, false))::int AS ${name},
  coalesce((array_agg(id ORDER BY id) FILTER (WHERE coalesce((${condition}) AND ${readable}, false)))[1:${sampleMax}],
    '{}') AS ${name}_sample`;

function change(row: Row, name: 'gained' | 'lost'): Partial<Difference> {
  const count = Number(row[name]);
  return count > 0 ? { [name]: { count, sample: row[`${name}_sample`] } } : {};
}

function fields({ subject, before, after }: Asked): Partial<Difference> {
  const [was, will] = [sometimesHidden(before, subject), sometimesHidden(after, subject)];
  const hides = will.filter((field) => !was.includes(field));
  const shows = was.filter((field) => !will.includes(field));
  return { ...(hides.length > 0 && { hides }), ...(shows.length > 0 && { shows }) };
}
