import { z } from 'zod';
import { isCommonPassword } from '../models/passwords.ts';
import { readInSystem, type Sql } from '../models/scope.ts';
import { tenantById } from '../models/system/tenant.ts';
import { securityPolicyOf } from '../models/tenant/security-policy.ts';
import { passwordFaults } from '../policies/password.ts';
import { Refusal } from '../policies/refusal.ts';
import { bounds } from '../policies/security-policy.ts';

/** Where a password may be chosen: an invitation, a change, a reset. The same rule for all, asked within their tenant. */
const { min, max } = bounds.passwordLength;

/** The tenant may ask for more. */
export const newPassword = z
  .string()
  .min(min, `must have at least ${min} characters`)
  .max(max, `must have at most ${max} characters`);

type Chosen = {
  password: string;
  tenantId: string;
  pointer?: string;
  person: { name: string; email: string };
};

export async function insistOnPassword(sql: Sql, chosen: Chosen): Promise<void> {
  const { password, tenantId, pointer = '/password', person } = chosen;
  const { passwordLengthMin: lengthMin } = await securityPolicyOf(sql);
  const [rows] = await readInSystem(tenantId, [tenantById(tenantId)]);
  const names = [person.name, person.email, String(rows?.[0]?.slug ?? '')];
  const faults = passwordFaults(password, { names, lengthMin }, isCommonPassword);
  if (faults.length === 0) return;
  throw new Refusal('invalid-request', 'This password is not acceptable; each fault is listed.', {
    errors: faults.map((detail) => ({ pointer, code: 'not-acceptable', detail })),
  });
}
