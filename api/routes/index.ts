import type { Route } from '../route.ts';
import { changeAgent, listAgents, makeAgent, readAgent, removeAgent } from './agents.ts';
import { exchangeKey, listKeys, makeKey, readKey, revokeApiKey, updateKey } from './api-keys.ts';
import { listAudit, listPlatformAudit } from './audit-events.ts';
import { readContext } from './context.ts';
import { discover } from './discovery.ts';
import { listSeparations, makeSeparation, removeSeparation } from './duty-separations.ts';
import { explain } from './explanations.ts';

import { readInvitingOrganisation } from './invitation-organisation.ts';
import { accept } from './invitations.ts';
import { readMailbox } from './mailbox.ts';
import { me, ownTenant } from './me.ts';
import { cancel, listOperations, readOperation, retryParked } from './operations.ts';
import { listPermissions, simulate } from './permissions.ts';
import { giveRole, takeRole } from './role-assignments.ts';
import { changeRole, listRoles, makeRole, readRole, removeRole } from './roles.ts';
import { signIn, signOut } from './sessions.ts';
import { callOff, deleteTenant, reactivateTenant, suspendTenant } from './tenant-lifecycle.ts';
import { listTenants, onboardTenant, readTenant, renameTenant } from './tenants.ts';

/**
 * Every route there is; the app, the OpenAPI document and the tests' matrix of refusals are made from this list.
 * Express tries them in this order, so those called most stand first.
 */
export const routes: Route[] = [
  readAgent,
  listAgents,
  makeAgent,
  changeAgent,
  removeAgent,
  me,
  ownTenant,
  signIn,
  signOut,
  accept,
  readInvitingOrganisation,
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
  listKeys,
  readKey,
  makeKey,
  updateKey,
  exchangeKey,
  revokeApiKey,
];
