import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import { newId } from '../models/ids.ts';
import { keyringWithin } from '../models/keyring.ts';
import type { TenantScope } from '../models/scope.ts';
import { invitationById, invitationStates } from '../models/tenant/invitation-list.ts';
import type { InviteeFault } from '../models/tenant/invitees.ts';
import { type Invitee, invite } from '../models/tenant/inviting.ts';
import { withNames } from '../models/tenant/person.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';
import { emailAddress } from './email-address.ts';
import { beginErrands, type Errand } from './errands.ts';
import { iso } from './present.ts';
import { id, line, moment } from './shapes.ts';

/** What the routes of invitations share: shapes, how a row is shown, and the sending itself. */

export const invitee = z.strictObject({
  email: emailAddress,
  name: line(100).optional(),
  roles: z
    .array(line(100))
    .min(1, 'must name at least one role')
    .max(20, 'must name at most 20 roles')
    .refine((all) => new Set(all).size === all.length, 'must not name a role twice'),
});

export const invitation = z
  .object({
    id: id('inv'),
    userId: id('usr'),
    email: z.string(),
    name: z.string(),
    roles: z.array(z.string()),
    state: z.enum(invitationStates),
    invitedBy: z.string().nullable(),
    operationId: id('op').nullable(),
    issuedAt: moment,
    expiresAt: moment,
    sentAt: moment.nullable(),
    remindedAt: moment.nullable(),
    acceptedAt: moment.nullable(),
    endedAt: moment.nullable(),
    createdAt: moment,
    version: z.int(),
  })
  .meta({ id: 'Invitation' });

export function presentInvitation(row: Row) {
  return {
    id: row.id,
    userId: row.user_id,
    email: row.email,
    name: row.name,
    roles: row.roles,
    state: row.state,
    invitedBy: row.invited_by ?? null,
    operationId: row.operation_id ?? null,
    issuedAt: iso(row.issued_at),
    expiresAt: iso(row.expires_at),
    sentAt: iso(row.sent_at),
    remindedAt: iso(row.reminded_at),
    acceptedAt: iso(row.accepted_at),
    endedAt: iso(row.ended_at),
    createdAt: iso(row.created_at),
    version: row.version,
  };
}

export async function shownInvitation({ sql }: TenantScope, tenantId: string, invitationId: string) {
  const { text, values } = invitationById(tenantId, invitationId);
  const [row] = withNames(await keyringWithin(sql), await sql<Row>(text, values));
  if (!row) throw new Error(`bug: ${invitationId} was there a moment ago`);
  return presentInvitation(row);
}

/** One person's faults as one refusal: the first says what kind it is, all are listed. */
export function refuseInvitee(faults: InviteeFault[]): void {
  const [first] = faults;
  if (!first) return;
  const errors = faults.map(({ refusal: _, ...fault }) => fault);
  throw new Refusal(first.refusal, first.detail, { errors });
}

export type Sending = { tenantId: string; principal: Principal; requestId: string };

/** Stores the invitations and their errands; `start` sets the errands going, once all is committed. */
export async function inviteAll(
  tenant: TenantScope,
  { tenantId, principal, requestId }: Sending,
  invitees: Invitee[],
) {
  const errands: Errand[] = [];
  for (const each of invitees) {
    const operationId = newId('op');
    const subjectId = await invite(tenant, each, { operationId, by: principal });
    errands.push({ operationId, subjectId });
  }
  return {
    ids: errands.map(({ subjectId }) => subjectId),
    begin: () => beginErrands(tenant, { tenantId, kind: 'invite-user', principal, requestId }, errands),
  };
}
