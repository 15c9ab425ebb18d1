/**
 * Every permission there is: an action on a subject, why it exists, and which built-in roles have it. Routes and
 * activities name one of these rows; a route that names none does not compile. `scope` tells whose members can
 * hold it: a tenant's own people, or operators (members of the system tenant).
 */
export const subjects = [
  'Platform',
  'Tenant',
  'Operation',
  'PlatformAuditEvent',
  'Mailbox',
  'Agent',
  'Organisation',
] as const;
export type SubjectType = (typeof subjects)[number];

export const actions = [
  'create',
  'read',
  'update',
  'delete',
  'suspend',
  'reactivate',
  'rename',
  'retry',
  'cancel',
  'sweep',
] as const;
export type Action = (typeof actions)[number];

export type Permission = {
  action: Action;
  subject: SubjectType;
  scope: 'tenant' | 'platform';
  why: string;
  roles: BuiltInRole[];
};

export const tenantRoles = ['owner', 'admin', 'builder', 'operator', 'viewer', 'auditor', 'billing'] as const;
export const platformRoles = ['platform-owner', 'platform-support', 'platform-auditor'] as const;
export type BuiltInRole = (typeof tenantRoles)[number] | (typeof platformRoles)[number];

const everyone: BuiltInRole[] = [...tenantRoles];
const builders: BuiltInRole[] = ['owner', 'admin', 'builder'];
const owner: BuiltInRole[] = ['platform-owner'];
const support: BuiltInRole[] = ['platform-owner', 'platform-support'];
const operators: BuiltInRole[] = [...platformRoles];

const platform = (action: Action, subject: SubjectType, roles: BuiltInRole[], why: string): Permission => ({
  action,
  subject,
  scope: 'platform',
  why,
  roles,
});
const tenant = (action: Action, subject: SubjectType, roles: BuiltInRole[], why: string): Permission => ({
  action,
  subject,
  scope: 'tenant',
  why,
  roles,
});

export const permissions: Permission[] = [
  platform('create', 'Tenant', owner, 'onboard an organisation'),
  platform('read', 'Tenant', operators, 'see which organisations there are and how they are'),
  platform('rename', 'Tenant', support, 'change an organisation’s name or address'),
  platform('suspend', 'Tenant', support, 'stop an organisation’s access, keeping its data'),
  platform('reactivate', 'Tenant', support, 'give a suspended organisation its access back'),
  platform(
    'delete',
    'Tenant',
    owner,
    'destroy an organisation’s data and key after its grace period, or call that off',
  ),
  platform('read', 'Operation', operators, 'follow what Freehold is doing for a tenant'),
  platform('retry', 'Operation', support, 'set an operation going again that is parked for a human'),
  platform('cancel', 'Operation', owner, 'stop an operation and have its steps undone'),
  platform(
    'read',
    'PlatformAuditEvent',
    ['platform-owner', 'platform-auditor'],
    'see who did what to which tenant',
  ),
  platform('read', 'Mailbox', owner, 'read the built-in mailbox of the embedded mode'),
  platform('sweep', 'Platform', [], 'pick up what a crash left behind; only the sweep itself does this'),
  tenant('read', 'Organisation', everyone, 'see the organisation one is in'),
  tenant('read', 'Agent', ['owner', 'admin', 'builder', 'operator', 'viewer', 'auditor'], 'see agents'),
  tenant('create', 'Agent', builders, 'make agents'),
  tenant('update', 'Agent', builders, 'change agents'),
  tenant('delete', 'Agent', builders, 'remove agents'),
];

export const roleTitles: Record<BuiltInRole, string> = {
  owner: 'Owner',
  admin: 'Administrator',
  builder: 'Builder',
  operator: 'Operator',
  viewer: 'Viewer',
  auditor: 'Auditor',
  billing: 'Billing',
  'platform-owner': 'Platform owner',
  'platform-support': 'Platform support',
  'platform-auditor': 'Platform auditor',
};
