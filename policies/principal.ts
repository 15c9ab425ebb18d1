/**
 * Who acts. People and keys belong to a tenant (operators to the system tenant) and are judged by today's
 * roles; a system actor is a named part of Freehold that finishes what a person asked for, and says for whom.
 */
export type Principal =
  | { kind: 'user' | 'api-key'; id: string; tenantId: string }
  | { kind: 'system'; id: SystemActor; onBehalfOf?: string };

export const systemActors = [
  'system:undo',
  'system:delete-tenant',
  'system:invite-user',
  'system:reset-password',
  'system:rotate-key',
  'system:rotate-root-key',
  'system:sweep',
  'system:discovery',
  'system:run',
  'system:run-schedule',
  'system:integrations',
  'system:bootstrap',
  'system:retention',
  'system:meter',
  'system:raise-quota',
] as const;
export type SystemActor = (typeof systemActors)[number];
