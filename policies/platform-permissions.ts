import {
  type Action,
  type BuiltInRole,
  type Permission,
  platformRoles,
  type SubjectType,
} from './permission.ts';

/** What operators may do: members of the system tenant. */
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
export const platformPermissions: Permission[] = [
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
  platform('read', 'RootKey', operators, 'see how keys are kept and how far a rotation is'),
  platform('rotate', 'RootKey', owner, 'wrap every tenant’s key anew under another root key'),
  platform(
    'retain',
    'Platform',
    [],
    'delete what need not be kept any more; only retention itself does this',
  ),
  platform('meter', 'Platform', [], 'take what was used into the meter; only the meter itself does this'),
  platform('read', 'TenantUsage', operators, 'see what organisations use, one by one and together'),
  platform('read', 'TenantQuota', operators, 'see an organisation’s limits and requests for more'),
  platform('update', 'TenantQuota', owner, 'set an organisation’s limits over its plan’s'),
  platform('decide', 'TenantQuota', support, 'grant or refuse an organisation’s request for more'),
  platform('lift', 'TenantQuota', support, 'lift a restriction from an organisation'),
  platform('configure', 'Platform', owner, 'say what holds for every tenant that has not said otherwise'),
];
