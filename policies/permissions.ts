import type { Permission } from './permission.ts';
import { platformPermissions } from './platform-permissions.ts';
import { tenantPermissions } from './tenant-permissions.ts';

/**
 * Every permission there is: an action on a subject, why it exists, and which built-in roles have it. Routes and
 * activities name one of these rows; a route that names none does not compile.
 */
export const permissions: Permission[] = [...platformPermissions, ...tenantPermissions];
