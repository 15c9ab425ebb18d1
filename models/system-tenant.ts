import { platformRoles, roleTitles } from '../policies/permission.ts';
import { auditInTenant } from './audit.ts';
import { newId } from './ids.ts';
import { inTenant } from './scope.ts';
import { digest } from './secrets.ts';
import { systemPlace, systemTenantId } from './system/tenant.ts';
import { ensureTenantKey } from './tenant-key.ts';
import { ensureTenantSchema } from './tenant-schema.ts';
import { newToken } from './tokens.ts';

/** The system tenant: made by `migrate`, not by a workflow, since operators must exist before anyone can onboard. */
export async function bootstrapSystemTenant(): Promise<void> {
  const place = systemPlace();
  await ensureTenantSchema(place, 'bootstrap');
  await ensureTenantKey(place, 'bootstrap');
  await inTenant(place, async ({ sql }) => {
    await sql(
      "INSERT INTO tenant (id, state, plan, plan_version) VALUES ($1, 'active', 'platform', 1) ON CONFLICT DO NOTHING",
      [systemTenantId],
    );
    for (const role of platformRoles) {
      await sql('INSERT INTO roles (name, title, built_in) VALUES ($1, $2, true) ON CONFLICT DO NOTHING', [
        role,
        roleTitles[role],
      ]);
    }
  });
}

/** A new key with every platform right; the caller is whoever can run commands on the machine. */
export async function createOperatorKey(name: string): Promise<string> {
  const token = newToken('key', systemTenantId);
  const id = newId('key');
  await inTenant(systemPlace(), async (tenant) => {
    await tenant.ApiKey.create({ id, name, tokenHash: digest(token) });
    await tenant.RoleAssignment.create({ principalId: id, role: 'platform-owner' });
    await auditInTenant(tenant.sql, {
      actor: { kind: 'system', id: 'system:bootstrap' },
      action: 'create ApiKey',
      subject: { type: 'ApiKey', id },
      outcome: 'done',
      reason: 'asked for on the command line',
    });
  });
  return token;
}
