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
  'Discovery',
  'Organisation',
  'Agent',
  'User',
  'Password',
  'SecondFactor',
  'Session',
  'Invitation',
  'Role',
  'DutySeparation',
  'Permission',
  'ApiKey',
  'SecurityPolicy',
  'AuditEvent',
  'Refusal',
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
  'administer',
  'deactivate',
  'assign',
  'revoke',
  'rotate',
  'reset',
  'simulate',
  'send',
] as const;
export type Action = (typeof actions)[number];

export type Permission = {
  action: Action;
  subject: SubjectType;
  scope: 'tenant' | 'platform';
  why: string;
  roles: BuiltInRole[];
  /** Roles that have it for what is their own only: what they own, or themselves. */
  ownOnly: BuiltInRole[];
};

export const tenantRoles = ['owner', 'admin', 'builder', 'operator', 'viewer', 'auditor', 'billing'] as const;
export const platformRoles = ['platform-owner', 'platform-support', 'platform-auditor'] as const;
export type BuiltInRole = (typeof tenantRoles)[number] | (typeof platformRoles)[number];

const everyone: BuiltInRole[] = [...tenantRoles];
const builders: BuiltInRole[] = ['owner', 'admin', 'builder'];
const administrators: BuiltInRole[] = ['owner', 'admin'];
const overseers: BuiltInRole[] = ['owner', 'admin', 'auditor'];
const makers: BuiltInRole[] = ['builder', 'operator'];
const allBut = (roles: BuiltInRole[]): BuiltInRole[] => tenantRoles.filter((role) => !roles.includes(role));
const owner: BuiltInRole[] = ['platform-owner'];
const support: BuiltInRole[] = ['platform-owner', 'platform-support'];
const operators: BuiltInRole[] = [...platformRoles];

const platform = (action: Action, subject: SubjectType, roles: BuiltInRole[], why: string): Permission => ({
  action,
  subject,
  scope: 'platform',
  why,
  roles,
  ownOnly: [],
});
const tenant = (
  action: Action,
  subject: SubjectType,
  roles: BuiltInRole[],
  why: string,
  ownOnly: BuiltInRole[] = [],
): Permission => ({ action, subject, scope: 'tenant', why, roles, ownOnly });

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
  platform('read', 'Platform', operators, 'see who one is among the operators, and sign out'),
  platform('sweep', 'Platform', [], 'pick up what a crash left behind; only the sweep itself does this'),
  platform(
    'send',
    'Discovery',
    [],
    'mail people the list of their workspaces; only discovery itself does this',
  ),
  tenant('read', 'Organisation', everyone, 'see the organisation one is in'),
  tenant('administer', 'Organisation', ['owner'], 'be the last word: make and unmake owners'),
  tenant('read', 'Agent', ['owner', 'admin', 'builder', 'operator', 'viewer', 'auditor'], 'see agents'),
  tenant('create', 'Agent', builders, 'make agents'),
  tenant('update', 'Agent', builders, 'change agents'),
  tenant('delete', 'Agent', builders, 'remove agents'),
  tenant('read', 'User', allBut(['billing']), 'see who is in the organisation', ['billing']),
  tenant('update', 'User', administrators, 'correct a person’s profile', allBut(administrators)),
  tenant('deactivate', 'User', administrators, 'stop a person’s access, keeping what is theirs'),
  tenant('reactivate', 'User', administrators, 'give a person access again'),
  tenant('delete', 'User', administrators, 'remove a person, whose work is handed to another'),
  tenant('update', 'Password', [], 'change one’s own password', everyone),
  tenant('reset', 'Password', administrators, 'mail a person the way to a new password'),
  tenant('read', 'SecondFactor', overseers, 'see who has a second factor', allBut(overseers)),
  tenant('update', 'SecondFactor', [], 'set up one’s own second factor', everyone),
  tenant(
    'delete',
    'SecondFactor',
    administrators,
    'take away a second factor that was lost',
    allBut(administrators),
  ),
  tenant('read', 'Session', overseers, 'see where people are signed in', allBut(overseers)),
  tenant('revoke', 'Session', administrators, 'sign people out', allBut(administrators)),
  tenant('read', 'Invitation', overseers, 'see who was invited, by whom, and what became of it'),
  tenant('create', 'Invitation', administrators, 'invite people'),
  tenant('update', 'Invitation', administrators, 'send an invitation again'),
  tenant('revoke', 'Invitation', administrators, 'take an invitation back'),
  tenant('read', 'Role', everyone, 'see what roles there are and what they allow'),
  tenant('create', 'Role', administrators, 'make roles of the organisation’s own'),
  tenant('update', 'Role', administrators, 'change such roles'),
  tenant('delete', 'Role', administrators, 'remove such roles'),
  tenant('assign', 'Role', administrators, 'give people roles and take them away'),
  tenant('read', 'DutySeparation', overseers, 'see which roles nobody may hold together'),
  tenant('create', 'DutySeparation', administrators, 'say which roles nobody may hold together'),
  tenant('delete', 'DutySeparation', administrators, 'let roles be held together again'),
  tenant('read', 'Permission', everyone, 'see what permissions there are'),
  tenant('simulate', 'Permission', overseers, 'ask what a person may do, and why'),
  tenant('read', 'ApiKey', overseers, 'see which keys there are and when they were used', allBut(overseers)),
  tenant('create', 'ApiKey', administrators, 'make keys, for services as well', makers),
  tenant('update', 'ApiKey', administrators, 'rename a key or let it end sooner', makers),
  tenant('rotate', 'ApiKey', administrators, 'exchange a key for a new one', makers),
  tenant('revoke', 'ApiKey', administrators, 'end a key at once', allBut(administrators)),
  tenant('read', 'SecurityPolicy', overseers, 'see how strict sign-in is'),
  tenant('update', 'SecurityPolicy', administrators, 'say how strict sign-in is'),
  tenant('read', 'AuditEvent', overseers, 'see who did what'),
  tenant('read', 'Refusal', overseers, 'see why somebody was refused', allBut(overseers)),
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
