import { newId } from '../models/ids.ts';
import { inTenant } from '../models/scope.ts';
import { addPerson } from '../models/tenant/person.ts';
import { openSession } from '../models/tenant/session.ts';
import type { Furnished } from './fill.ts';

/** People of a furnished tenant, made past the product. */
export type Person = { id: string; email: string; token: string };

/** Active, with this role, signed in; and with a password when its hash is given. */
export async function person(
  { place }: Furnished,
  { role, passwordHash }: { role: string; passwordHash?: string },
): Promise<Person> {
  const id = newId('usr');
  const email = `${id}@bench.example`;
  return inTenant(place, async (tenant) => {
    await addPerson(tenant.sql, { id, email, name: 'A Person', state: 'active' });
    await tenant.RoleAssignment.create({ principalId: id, role });
    if (passwordHash)
      await tenant.Identity.create({ id: newId('idn'), userId: id, kind: 'password', secret: passwordHash });
    const { token } = await openSession(tenant, place.tenantId, id, { source: 'bench' });
    return { id, email, token };
  });
}

/** Through the API, and refused by an error when it refuses. */
export async function call(
  url: string,
  token: string,
  method: string,
  path: string,
  body?: object,
): Promise<Response> {
  const response = await fetch(new URL(path, url), {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!response.ok)
    throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
  return response;
}
