import { LRUCache } from 'lru-cache';
import {
  builtInGrants,
  compile,
  type Grant,
  isBuiltIn,
  type Rights,
  rightsOfBuiltIn,
} from '../../policies/rights.ts';
import type { Rule } from '../../policies/rule.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';
import { principalById, type Standing, standingOf } from './credential.ts';

/**
 * From the roles somebody holds at this moment to what they may. Roles and the version of the rules come with the
 * credential in every single request; only the text of rules is kept, under the tenant and that version, so that
 * nothing older than the request itself is ever obeyed. Whoever changes a role's rules raises the version
 * (`tenant.rights_version`) in the same transaction.
 */
const compiled = new LRUCache<string, Rights>({ max: 2_000 });

type Ask = (statement: Statement) => Promise<Row[]>;

export async function rightsOf(tenantId: string, standing: Standing, ask: Ask): Promise<Rights> {
  const { roles, bound, rightsVersion } = standing;
  if (!bound && roles.every(isBuiltIn)) return rightsOfBuiltIn(roles);
  const name = `${tenantId} ${rightsVersion} ${roles.toSorted().join(' ')}|${bound?.toSorted().join(' ') ?? ''}`;
  const known = compiled.get(name);
  if (known) return known;
  const made = await compiledNow(tenantId, standing, ask);
  compiled.set(name, made);
  return made;
}

async function compiledNow(tenantId: string, { roles, bound }: Standing, ask: Ask): Promise<Rights> {
  const rules = await rulesOf(tenantId, [...roles, ...(bound ?? [])], ask);
  return compile(grantsOf(roles, rules), bound && compile(grantsOf(bound, rules)));
}

const grantsOf = (roles: string[], rules: Map<string, Grant[]>): Grant[] =>
  roles.flatMap((role) => (isBuiltIn(role) ? builtInGrants(role) : (rules.get(role) ?? [])));

async function rulesOf(tenantId: string, roles: string[], ask: Ask): Promise<Map<string, Grant[]>> {
  const own = roles.filter((role) => !isBuiltIn(role));
  if (own.length === 0) return new Map();
  const rows = await ask({
    text: `SELECT name, rules FROM ${schemaOf(tenantId)}.roles WHERE name = ANY (string_to_array($1, ' ')) AND NOT built_in`,
    values: [own.join(' ')],
  });
  // Rules are checked by their shape when they are stored (api/routes/roles.ts).
  return new Map(rows.map(({ name, rules }) => [String(name), grants(String(name), rules as Rule[])]));
}

const grants = (role: string, rules: Rule[]): Grant[] => rules.map((rule) => ({ role, rule }));

/**
 * What holding these roles would allow, by the rules as they are within this transaction; `instead` are roles taken
 * as if their rules were others.
 */
export async function rightsOfRoles(
  sql: Sql,
  tenantId: string,
  roles: string[],
  instead: Record<string, Rule[]> = {},
): Promise<Rights> {
  const rules = await rulesOf(tenantId, roles, ({ text, values }) => sql(text, values));
  for (const [role, given] of Object.entries(instead)) rules.set(role, grants(role, given));
  return compile(grantsOf(roles, rules));
}

/**
 * What a person or key may at this moment, within this transaction. Never kept: a version that this transaction has
 * raised and then takes back would come again with other rules.
 */
export async function rightsOfPrincipal(sql: Sql, tenantId: string, principalId: string): Promise<Rights> {
  const { text, values } = principalById(tenantId, principalId);
  const [row = {}] = await sql<Row>(text, values);
  return compiledNow(tenantId, standingOf(row), (asked) => sql(asked.text, asked.values));
}
