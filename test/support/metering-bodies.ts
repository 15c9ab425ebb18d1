import { freshSlug } from './tenants.ts';

/** Acceptable bodies of the routes about use and limits, for the matrix of refusals. */
export const meteringBodies: Record<string, (() => unknown) | null> = {
  'post /usage/reservations': () => ({
    id: freshSlug('job'),
    amounts: [{ meter: 'tool-calls', amount: 1 }],
  }),
  'get /usage/reservations/:reservationId': null,
  'delete /usage/reservations/:reservationId': null,
  'get /usage-ladder': null,
  'get /usage-ladder/versions': null,
  'put /usage-ladder': () => ({ rungs: [{ at: 90, measure: 'warn' }], reason: 'a test' }),
  'post /usage-ladder/simulations': () => ({}),
  'get /usage-restrictions': null,
  'get /usage-restrictions/:restrictionId': null,
  'delete /usage-restrictions/:restrictionId': null,
  'get /tenants/:tenantId/usage-restrictions': null,
  'delete /tenants/:tenantId/usage-restrictions/:restrictionId': null,
  'get /notifications': null,
  'put /notifications/:notificationId/read': null,
  'put /notifications/read': null,
  'get /quota-requests': null,
  'post /quota-requests': () => ({ quotaId: 'plan.runs', amount: 1_000_000_000, reason: 'a test' }),
  'get /quota-requests/:quotaRequestId': null,
  'delete /quota-requests/:quotaRequestId': null,
  'get /tenants/:tenantId/usage/reconciliations': null,
  'get /platform/quota-requests': null,
  'get /tenants/:tenantId/quota-requests': null,
  'put /tenants/:tenantId/quota-requests/:quotaRequestId/decision': () => ({
    verdict: 'refuse',
    reason: 'a test',
  }),
};
