/** The workflow bundle's entry: exactly the workflow types named in registry.ts. */
export { applyRetention } from './apply-retention.ts';
export { changeSettings } from './change-settings.ts';
export { deleteTenant } from './delete-tenant.ts';
export { deliverWebhooks } from './deliver-webhooks.ts';
export { discoverWorkspaces } from './discover-workspaces.ts';
export { inviteUser } from './invite-user.ts';
export { mailNotices } from './mail-notices.ts';
export { meterUsage } from './meter-usage.ts';
export { provisionTenant } from './provision-tenant.ts';
export { raiseQuota } from './raise-quota.ts';
export { resetPassword } from './reset-password.ts';
export { resumeTenant } from './resume-tenant.ts';
export { rotateKey } from './rotate-key.ts';
export { rotateRootKey } from './rotate-root-key.ts';
export { suspendTenant } from './suspend-tenant.ts';
export { sweepTenants } from './sweep-tenants.ts';
export { watchIntegrations } from './watch-integrations.ts';
