import type { Declaration } from './activity.ts';
import { applySettings, dueOfSettings, withdrawSettings } from './change-settings.ts';
import { mailWorkspaces } from './discovery.ts';
import { watchPage } from './integration-watch.ts';
import {
  closeInvitation,
  mailInvitation,
  remindInvited,
  sendInvitation,
  withdrawInvitation,
} from './invitation.ts';
import {
  abandonKeyRotation,
  addKeyVersion,
  closeKeyRotation,
  resealColumns,
  rewrapKeys,
} from './key-rotation.ts';
import { meterTenants } from './meter-usage.ts';
import { mailNotices } from './notice-mail.ts';
import { mirrorOperation } from './operation.ts';
import { closePasswordReset, sendPasswordReset, withdrawPasswordReset } from './password-reset.ts';
import { probeTenant } from './probe.ts';
import {
  carryOutQuotaRequest,
  closeQuotaRequest,
  lookAtQuotaRequest,
  withdrawQuotaRequest,
} from './raise-quota.ts';
import { retainTenants } from './retention.ts';
import { takeCall } from './run/call.ts';
import { enterStep } from './run/container.ts';
import { closeRun, lookAtRun, openRun } from './run/course.ts';
import { leaveStep } from './run/leaving.ts';
import { fireRunSchedule } from './run/schedule.ts';
import { takeStep } from './run/step.ts';
import { takeTurn } from './run/turn.ts';
import { purgeExpired, restartOperations } from './sweep.ts';
import {
  applyPlan,
  blockTenant,
  closeSubscription,
  createInvitation,
  openSubscription,
  unblockTenant,
} from './tenant-content.ts';
import { announceDeletion, buryTenant } from './tenant-deletion.ts';
import {
  destroyTenantKey,
  ensureTenantKey,
  ensureTenantSchema,
  removeTenantSchema,
  verifyErased,
} from './tenant-schema.ts';
import { activateTenant, failTenant, settleTenant } from './tenant-state.ts';
import { deliverDue } from './webhook-delivery.ts';

/** Every activity by the name Temporal knows it under. */
export const declarations = {
  abandonKeyRotation,
  addKeyVersion,
  closeKeyRotation,
  resealColumns,
  rewrapKeys,
  activateTenant,
  announceDeletion,
  applyPlan,
  applySettings,
  blockTenant,
  buryTenant,
  carryOutQuotaRequest,
  closeInvitation,
  closePasswordReset,
  closeQuotaRequest,
  closeRun,
  closeSubscription,
  createInvitation,
  deliverDue,
  destroyTenantKey,
  dueOfSettings,
  ensureTenantKey,
  ensureTenantSchema,
  enterStep,
  failTenant,
  fireRunSchedule,
  leaveStep,
  lookAtQuotaRequest,
  lookAtRun,
  mailInvitation,
  mailNotices,
  mailWorkspaces,
  meterTenants,
  mirrorOperation,
  openRun,
  openSubscription,
  probeTenant,
  purgeExpired,
  remindInvited,
  removeTenantSchema,
  restartOperations,
  retainTenants,
  sendInvitation,
  sendPasswordReset,
  settleTenant,
  takeCall,
  takeStep,
  takeTurn,
  unblockTenant,
  verifyErased,
  watchPage,
  withdrawInvitation,
  withdrawPasswordReset,
  withdrawQuotaRequest,
  withdrawSettings,
};

type Callable<D> =
  D extends Declaration<infer Input, infer Output>
    ? unknown extends Input
      ? () => Promise<Output>
      : (input: Input) => Promise<Output>
    : never;

/** The activities as a workflow calls them. */
export type Activities = { [Name in keyof typeof declarations]: Callable<(typeof declarations)[Name]> };
