/** The workflow bundle's entry: exactly the workflow types named in registry.ts. */
export { deleteTenant } from './delete-tenant.ts';
export { discoverWorkspaces } from './discover-workspaces.ts';
export { inviteUser } from './invite-user.ts';
export { provisionTenant } from './provision-tenant.ts';
export { resetPassword } from './reset-password.ts';
export { resumeTenant } from './resume-tenant.ts';
export { suspendTenant } from './suspend-tenant.ts';
export { sweepTenants } from './sweep-tenants.ts';
