import type { Route } from '../route.ts';
import { listPermits } from './heavy-permits.ts';
import { listNotifications, readAllNotifications, readNotification } from './notifications.ts';
import { listAllRequests } from './platform-quota-requests.ts';
import { findNoisy, rankTenants } from './platform-rankings.ts';
import { rightSizeTenants } from './platform-right-sizing.ts';
import { readPlatformUsage } from './platform-usage.ts';
import { decideRequest, listRequestsOf } from './quota-decisions.ts';
import { askForMore, listQuotaRequests, readQuotaRequest, withdrawQuotaRequest } from './quota-requests.ts';
import { deleteQuota, listQuotas, makeQuota, readQuota, updateQuota } from './quotas.ts';
import { listTenantQuotas, putTenantQuota, readTenantQuota } from './tenant-quotas.ts';
import { listReconciliationsOf } from './tenant-reconciliations.ts';
import { readTenantUsage } from './tenant-usage.ts';
import { listUsage } from './usage.ts';
import { reportUsage } from './usage-events.ts';
import { changeLadder, listLadderVersions, readLadder, simulateLadder } from './usage-ladder.ts';
import { listReconciliations, repairUsage } from './usage-reconciliations.ts';
import { readUsageReport } from './usage-report.ts';
import { makeReservation, readReservation, releaseReservation } from './usage-reservations.ts';
import {
  liftRestrictionOf,
  liftUsageRestriction,
  listRestrictions,
  listRestrictionsOf,
  readRestriction,
} from './usage-restrictions.ts';

/** What is used, what limits it, and what happens near limits. */
export const meteringRoutes: Route[] = [
  reportUsage,
  makeReservation,
  readReservation,
  releaseReservation,
  listUsage,
  readUsageReport,
  readPlatformUsage,
  rankTenants,
  findNoisy,
  rightSizeTenants,
  readTenantUsage,
  listNotifications,
  readNotification,
  readAllNotifications,
  listQuotaRequests,
  askForMore,
  readQuotaRequest,
  withdrawQuotaRequest,
  listAllRequests,
  listRequestsOf,
  decideRequest,
  readLadder,
  listLadderVersions,
  changeLadder,
  simulateLadder,
  listRestrictions,
  readRestriction,
  liftUsageRestriction,
  listRestrictionsOf,
  liftRestrictionOf,
  listReconciliations,
  listReconciliationsOf,
  repairUsage,
  listPermits,
  listQuotas,
  readQuota,
  makeQuota,
  updateQuota,
  deleteQuota,
  listTenantQuotas,
  readTenantQuota,
  putTenantQuota,
];
