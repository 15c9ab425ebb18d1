import { Refusal } from '../../policies/refusal.ts';
import { grantsAbout, missingFrom, type Rights, rightsOfBuiltIn } from '../../policies/rights.ts';
import { keyringWithin } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { nameOf } from './person.ts';
import { rightsOfRoles } from './rights.ts';

/** People and keys of a tenant with the roles they hold, for questions about all of them at once. */
export type Holder = { id: string; kind: 'user' | 'api-key'; name: string; active: boolean; roles: string[] };

const everyone = `
  SELECT p.id, p.kind, p.name, p.sealed_name, p.active,
    coalesce((SELECT array_agg(a.role ORDER BY a.role) FROM role_assignments a WHERE a.principal_id = p.id), '{}') AS roles
  FROM (SELECT id, 'user' AS kind, NULL AS name, sealed_name, state = 'active' AS active FROM users
        UNION ALL SELECT id, 'api-key', name, NULL, revoked_at IS NULL FROM api_keys) p`;

/** Those who hold this role. */
export async function holdersOf(sql: Sql, role: string): Promise<Holder[]> {
  return named(sql, 'WHERE $1 = ANY (roles) ORDER BY id', role);
}

export async function holderById(sql: Sql, id: string): Promise<Holder | undefined> {
  const [holder] = await named(sql, 'WHERE id = $1', id);
  return holder;
}

async function named(sql: Sql, condition: string, value: string): Promise<Holder[]> {
  const keyring = await keyringWithin(sql);
  const rows = await sql<Holder & { sealed_name: Buffer | null }>(
    `SELECT * FROM (${everyone}) all_of_them ${condition}`,
    [value],
  );
  return rows.map(({ sealed_name, ...holder }) =>
    sealed_name ? { ...holder, name: nameOf(keyring, holder.id, { sealed_name }) } : holder,
  );
}

/** What being the last word in an organisation takes. */
const lastWord = rightsOfBuiltIn(['owner']);

/**
 * A tenant always keeps an active person who may do everything. Asked at the end of whatever could take that away, in
 * its turn (turn.ts), so that two who step down at the same moment do so one after the other.
 */
export async function insistAdministrator(sql: Sql, tenantId: string): Promise<void> {
  const holders = await sql<Pick<Holder, 'roles'>>(
    `SELECT * FROM (${everyone}) all_of_them WHERE kind = 'user' AND active`,
  );
  const judged = new Map<string, boolean>();
  for (const { roles } of holders) {
    const name = roles.join(' ');
    if (!judged.has(name)) judged.set(name, await hasLastWord(sql, tenantId, roles));
    if (judged.get(name)) return;
  }
  throw new Refusal(
    'conflict',
    'The organisation would be left without an active owner; make somebody else an owner first.',
  );
}

async function hasLastWord(sql: Sql, tenantId: string, roles: string[]): Promise<boolean> {
  return missingFrom(await rightsOfRoles(sql, tenantId, roles), lastWord).length === 0;
}

/** Whoever changes rights must be able to change them back: their own right to do so stays. */
export function insistNoLockout(own: Rights, action: 'assign' | 'update'): void {
  const needed = grantsAbout(rightsOfBuiltIn(['admin']), action, 'Role');
  if (missingFrom(own, { ...own, grants: needed }).length === 0) return;
  throw new Refusal(
    'conflict',
    'You would lock yourself out of changing this back; have another administrator do it.',
  );
}
