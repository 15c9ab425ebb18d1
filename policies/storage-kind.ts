/** Which kind of data a table holds, for who asks what takes up the room. The first that fits. */
const patterns = [
  ['runs', /^(runs?|run_\w+|llm_uses|integration_uses|trigger_deliveries)$/],
  ['memory', /^memor/],
  ['audit', /^(audit|deletion_receipts)/],
  ['usage', /^(usage|quota)/],
  ['definitions', /^(agent|workflow|trigger)/],
  [
    'people',
    /^(users|roles?|role_\w+|sessions|invitations|api_keys|sign_in\w*|password_resets|notifications)$/,
  ],
] as const;

export const storageKinds = [...patterns.map(([kind]) => kind), 'other'] as const;
export type StorageKind = (typeof storageKinds)[number];

export const storageKindOf = (table: string): StorageKind =>
  patterns.find(([, pattern]) => pattern.test(table))?.[0] ?? 'other';
