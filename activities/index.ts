import type { Declaration } from './activity.ts';
import { mailWorkspaces } from './discovery.ts';
import {
  closeInvitation,
  mailInvitation,
  remindInvited,
  sendInvitation,
  withdrawInvitation,
} from './invitation.ts';
import { mirrorOperation } from './operation.ts';
import { closePasswordReset, sendPasswordReset, withdrawPasswordReset } from './password-reset.ts';
import { probeTenant } from './probe.ts';
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

/** Every activity by the name Temporal knows it under. */
export const declarations = {
  activateTenant,
  announceDeletion,
  applyPlan,
  blockTenant,
  buryTenant,
  closeInvitation,
  closePasswordReset,
  closeSubscription,
  createInvitation,
  destroyTenantKey,
  ensureTenantKey,
  ensureTenantSchema,
  failTenant,
  mailInvitation,
  mailWorkspaces,
  mirrorOperation,
  openSubscription,
  probeTenant,
  purgeExpired,
  remindInvited,
  removeTenantSchema,
  restartOperations,
  sendInvitation,
  sendPasswordReset,
  settleTenant,
  unblockTenant,
  verifyErased,
  withdrawInvitation,
  withdrawPasswordReset,
};

type Callable<D> =
  D extends Declaration<infer Input, infer Output>
    ? unknown extends Input
      ? () => Promise<Output>
      : (input: Input) => Promise<Output>
    : never;

/** The activities as a workflow calls them. */
export type Activities = { [Name in keyof typeof declarations]: Callable<(typeof declarations)[Name]> };
