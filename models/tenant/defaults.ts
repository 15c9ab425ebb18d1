import { roleTitles, tenantRoles } from '../../policies/permissions.ts';
import type { Plan } from '../../policies/plans.ts';
import type { Intake } from '../intake.ts';
import type { TenantScope } from '../scope.ts';

/** What every new tenant starts with: its own row, the built-in roles, the plan's settings and quotas, and its own wishes over them. */
export async function applyDefaults(
  { sql }: TenantScope,
  tenantId: string,
  plan: Plan,
  wishes: Pick<Intake, 'quotas' | 'settings'>,
): Promise<void> {
  await sql(
    `INSERT INTO tenant (id, state, plan, plan_version) VALUES ($1, 'provisioning', $2, $3) ON CONFLICT DO NOTHING`,
    [tenantId, plan.name, plan.version],
  );
  await sql(
    `INSERT INTO roles (name, title, built_in) SELECT key, value, true FROM jsonb_each_text($1::jsonb) ON CONFLICT DO NOTHING`,
    [JSON.stringify(Object.fromEntries(tenantRoles.map((role) => [role, roleTitles[role]])))],
  );
  await sql(
    `INSERT INTO settings (key, value) SELECT key, value FROM jsonb_each($1::jsonb) ON CONFLICT DO NOTHING`,
    [JSON.stringify({ ...plan.settings, ...wishes.settings })],
  );
  await sql(
    `INSERT INTO quotas (meter, amount, origin)
     SELECT key, value::bigint, CASE WHEN $2::jsonb ? key THEN 'tenant' ELSE 'plan' END FROM jsonb_each_text($1::jsonb)
     ON CONFLICT DO NOTHING`,
    [JSON.stringify({ ...plan.limits, ...wishes.quotas }), JSON.stringify(wishes.quotas)],
  );
}
