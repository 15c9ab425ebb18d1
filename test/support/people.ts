import { loadConfig } from '../../config.ts';
import { useConfig } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { keyringWithin } from '../../models/keyring.ts';
import { hashPassword } from '../../models/passwords.ts';
import type { Sql } from '../../models/scope.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { digest } from '../../models/secrets.ts';
import { placeOf, systemTenantId } from '../../models/system/tenant.ts';
import { addPerson, opened, type SealedPerson } from '../../models/tenant/person.ts';
import { openSession } from '../../models/tenant/session.ts';
import { newToken } from '../../models/tokens.ts';
import { type BuiltInRole, tenantRoles } from '../../policies/permission.ts';
import { type Caller, callerOf } from './client.ts';
import { handed } from './environment.ts';
import { password } from './tenants.ts';

/** People and keys with any role, made past the API, which has no way of adding them yet. */
export function useSharedModels(): void {
  useConfig(loadConfig(handed().shared.settings));
}

export async function placed(tenantId: string): Promise<Place & { region: string }> {
  const place = await placeOf(tenantId);
  if (!place) throw new Error(`tenant ${tenantId} has no place`);
  return place;
}

export type KeyHolder = Caller & { token: string; id: string; tenantId: string };

/** An API key with these roles; without any it is known, and may do nothing. */
export async function keyHolder(tenantId: string, ...roles: BuiltInRole[]): Promise<KeyHolder> {
  const token = newToken('key', tenantId);
  const id = newId('key');
  await inTenant(await placed(tenantId), async (tenant) => {
    await tenant.ApiKey.create({ id, name: 'made by a test', tokenHash: digest(token) });
    for (const role of roles) await tenant.RoleAssignment.create({ principalId: id, role });
  });
  return { ...callerOf(token), token, id, tenantId };
}

/** A key for each role there is: the tenant's own in this tenant, the operators' in the system tenant. */
export function holderOf(role: BuiltInRole, tenantId: string): Promise<KeyHolder> {
  const known: readonly string[] = tenantRoles;
  return keyHolder(known.includes(role) ? tenantId : systemTenantId, role);
}

/** Hashed once for all of them. */
const theirs = hashPassword(password);

/** A person with a session, as if they had accepted an invitation and signed in. */
export async function signedInPerson(tenantId: string, ...roles: BuiltInRole[]): Promise<KeyHolder> {
  const id = newId('usr');
  const email = `${id}@example.com`;
  const opened = await inTenant(await placed(tenantId), async (tenant) => {
    await addPerson(tenant.sql, { id, email, name: 'A Person', state: 'active' });
    await tenant.Identity.create({ id: newId('idn'), userId: id, kind: 'password', secret: await theirs });
    for (const role of roles) await tenant.RoleAssignment.create({ principalId: id, role });
    return openSession(tenant, tenantId, id, { source: 'test' });
  });
  return { ...callerOf(opened.token), token: opened.token, id, tenantId };
}

/** Everybody in the tenant whose transaction this is, as the tenant itself reads them. */
export async function everybody(sql: Sql): Promise<{ id: string; email: string; name: string }[]> {
  const keyring = await keyringWithin(sql);
  const rows = await sql<{ id: string } & SealedPerson>(
    'SELECT id, sealed_email, sealed_name FROM users ORDER BY id',
  );
  return rows.map((row) => opened(keyring, row.id, row));
}
