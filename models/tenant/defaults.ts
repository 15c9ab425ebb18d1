import { roleTitles, tenantRoles } from '../../policies/permission.ts';
import type { Plan } from '../../policies/plans.ts';
import { planLimitNames, planLimits, planQuotaId, type QuotaOrigin } from '../../policies/quotas.ts';
import { policySettings } from '../../policies/security-policy.ts';
import { isSettingKey } from '../../policies/settings.ts';
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
  // What the plan says in the settings book is read from the plan; only what is about signing in is copied.
  await sql(
    `INSERT INTO settings (key, value) SELECT key, value FROM jsonb_each($1::jsonb) ON CONFLICT DO NOTHING`,
    [
      JSON.stringify(
        only({ ...plan.settings, ...wishes.settings }, (key) => Object.values(policySettings).includes(key)),
      ),
    ],
  );
  await sql(
    `INSERT INTO setting_versions (number, document, author, reason, cause)
     SELECT 1, $1::jsonb, '{"kind":"system","id":"system:bootstrap"}', 'Wished for when the organisation was onboarded.', 'start'
     WHERE $1::jsonb <> '{}' ON CONFLICT DO NOTHING`,
    [JSON.stringify(only(wishes.settings, isSettingKey))],
  );
  await sql(
    `INSERT INTO quotas (id, meter, time_window, amount, origin)
     SELECT id, meter, time_window, amount, origin
     FROM jsonb_to_recordset($1::jsonb) AS q(id text, meter text, time_window text, amount bigint, origin text)
     ON CONFLICT DO NOTHING`,
    [JSON.stringify(planQuotas(plan, wishes.quotas))],
  );
}

function planQuotas(plan: Plan, wished: Intake['quotas']) {
  return planLimitNames.flatMap((name) => {
    const amount = wished[name] ?? plan.limits[name];
    if (amount === undefined) return [];
    const { meter, window } = planLimits[name];
    const origin: QuotaOrigin = wished[name] === undefined ? 'plan' : 'operator';
    return [{ id: planQuotaId(name), meter, time_window: window, amount, origin }];
  });
}

function only(from: object, wanted: (key: string) => boolean): object {
  return Object.fromEntries(Object.entries(from).filter(([key]) => wanted(key)));
}
