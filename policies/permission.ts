/** The words permissions are made of: subjects, actions, and the roles that come with Freehold. */
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
  'EncryptionKey',
  'RootKey',
  'Setting',
  'LegalHold',
  'DeletionReceipt',
  'LlmProvider',
  'Integration',
  'Workflow',
  'AgentPackage',
  'Memory',
  'Run',
  'RunHistory',
  'RunSchedule',
  'Trigger',
  'Usage',
  'Quota',
  'QuotaRequest',
  'Notification',
  'UsageLadder',
  'UsageRestriction',
  'TenantUsage',
  'TenantQuota',
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
  'publish',
  'start',
  'approve',
  'pause',
  'resume',
  'export',
  'import',
  'forget',
  'test',
  'configure',
  'retain',
  'report',
  'decide',
  'lift',
  'repair',
  'meter',
] as const;
export type Action = (typeof actions)[number];

/** `scope` tells whose members can hold it: a tenant's own people, or operators (members of the system tenant). */
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
