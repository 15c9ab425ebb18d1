import type { Route } from '../route.ts';
import { exchangeKey, listKeys, makeKey, readKey, revokeApiKey, updateKey } from './api-keys.ts';
import { listAudit, listPlatformAudit } from './audit-events.ts';
import { inviteMany } from './bulk-invitations.ts';
import { applyPack, listPacks, removePack } from './compliance-packs.ts';
import { readContext } from './context.ts';
import { putCustomerKey, removeCustomerKey } from './customer-key.ts';
import { listReceipts, readReceipt } from './deletion-receipts.ts';
import { discover } from './discovery.ts';
import { listSeparations, makeSeparation, removeSeparation } from './duty-separations.ts';
import { readEncryptionKey, rotateEncryptionKey } from './encryption-key.ts';
import { explain } from './explanations.ts';
import { resendInvitation, revoke } from './invitation-changes.ts';
import { readInvitingOrganisation } from './invitation-organisation.ts';
import { accept } from './invitations.ts';
import { listHolds, makeLegalHold, readHold, releaseLegalHold } from './legal-holds.ts';
import { readMailbox } from './mailbox.ts';
import { changeMe, me, ownTenant } from './me.ts';
import { meteringRoutes } from './metering.ts';
import { cancel, listOperations, readOperation, retryParked } from './operations.ts';
import { changePassword } from './own-password.ts';
import {
  endOtherSessions,
  endOwnSession,
  endSessionsFor,
  listOwnSessions,
  listSessionsOf,
} from './own-sessions.ts';
import { askForReset, resetFor, takeReset } from './password-resets.ts';
import { listPermissions, simulate } from './permissions.ts';
import {
  listPlatformSettings,
  listPlatformVersions,
  patchPlatformSettings,
  readPlatformVersion,
  rollBackPlatform,
} from './platform-settings.ts';
import { giveRole, takeRole } from './role-assignments.ts';
import { changeRole, listRoles, makeRole, readRole, removeRole } from './roles.ts';
import { readRootKey, rotateRootKey } from './root-key.ts';
import { callOffScheduled, listScheduled, readScheduled, scheduleSettings } from './scheduled-settings.ts';
import { confirmSecondFactor, removeFactorOf, removeOwnFactor, setUpFactor } from './second-factor.ts';
import { changeSecurityPolicy, readSecurityPolicy } from './security-policy.ts';
import { signIn, signOut } from './sessions.ts';
import { listVersions, listVersionsOfKey, readVersion, rollBack } from './setting-versions.ts';
import {
  listSettings,
  patchSettings,
  putSetting,
  readSetting,
  replaceSettings,
  unsetSetting,
} from './settings.ts';
import { callOff, deleteTenant, reactivateTenant, suspendTenant } from './tenant-lifecycle.ts';
import { listTenants, onboardTenant, readTenant, renameTenant } from './tenants.ts';
import { deactivate, reactivate, removePerson } from './user-access.ts';
import { inviteUser, listInvitations, readInvitation } from './user-invitations.ts';
import { changeUser, listUsers, readUser } from './users.ts';
import { workRoutes } from './work.ts';

/**
 * Every route there is; the app, the OpenAPI document and the tests' matrix of refusals are made from this list.
 * Express tries them in this order, so those called most stand first.
 */
export const routes: Route[] = [
  ...workRoutes,
  ...meteringRoutes,
  me,
  ownTenant,
  signIn,
  signOut,
  accept,
  readInvitingOrganisation,
  inviteUser,
  inviteMany,
  listInvitations,
  readInvitation,
  resendInvitation,
  revoke,
  listUsers,
  readUser,
  changeUser,
  deactivate,
  reactivate,
  removePerson,
  readContext,
  discover,
  readOperation,
  listOperations,
  retryParked,
  cancel,
  listTenants,
  onboardTenant,
  readTenant,
  renameTenant,
  suspendTenant,
  reactivateTenant,
  deleteTenant,
  callOff,
  listRoles,
  readRole,
  makeRole,
  changeRole,
  removeRole,
  giveRole,
  takeRole,
  listPermissions,
  simulate,
  explain,
  listSeparations,
  makeSeparation,
  removeSeparation,
  listAudit,
  listPlatformAudit,
  readMailbox,
  changeMe,
  changePassword,
  askForReset,
  takeReset,
  resetFor,
  setUpFactor,
  confirmSecondFactor,
  removeOwnFactor,
  removeFactorOf,
  listOwnSessions,
  endOwnSession,
  endOtherSessions,
  listSessionsOf,
  endSessionsFor,
  readSecurityPolicy,
  changeSecurityPolicy,
  listKeys,
  readKey,
  makeKey,
  updateKey,
  exchangeKey,
  revokeApiKey,
  listSettings,
  replaceSettings,
  patchSettings,
  listVersions,
  readVersion,
  rollBack,
  listScheduled,
  scheduleSettings,
  readScheduled,
  callOffScheduled,
  listVersionsOfKey,
  readSetting,
  putSetting,
  unsetSetting,
  listPlatformSettings,
  patchPlatformSettings,
  listPlatformVersions,
  readPlatformVersion,
  rollBackPlatform,
  listPacks,
  applyPack,
  removePack,
  listHolds,
  makeLegalHold,
  readHold,
  releaseLegalHold,
  listReceipts,
  readReceipt,
  readEncryptionKey,
  rotateEncryptionKey,
  putCustomerKey,
  removeCustomerKey,
  readRootKey,
  rotateRootKey,
];
