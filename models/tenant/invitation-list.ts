import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Visible } from '../visible.ts';

/** Invitations as they are read: one whose time is over is expired, whatever its row still says. */
export const invitationStates = ['pending', 'accepted', 'expired', 'revoked'] as const;
export type InvitationState = (typeof invitationStates)[number];

const shown = (tenantId: string) => {
  const schema = schemaOf(tenantId);
  return `SELECT i.id, i.user_id, u.sealed_email, u.sealed_name, u.state AS user_state, i.roles,
      CASE WHEN i.state = 'pending' AND i.expires_at <= now() THEN 'expired' ELSE i.state END AS state,
      i.invited_by, i.operation_id, i.issued_at, i.expires_at, i.sent_at, i.reminded_at, i.accepted_at, i.ended_at,
      i.created_at, i.version
    FROM ${schema}.invitations i JOIN ${schema}.users u ON u.id = i.user_id`;
};

export function invitationById(tenantId: string, id: string): Statement {
  return { text: `${shown(tenantId)} WHERE i.id = $1`, values: [id] };
}

type Page = { cursor?: string | undefined; limit: number };

export function invitationList(
  tenantId: string,
  { state }: { state?: InvitationState | undefined },
  visible: Visible,
  { cursor, limit }: Page,
): Statement {
  const may = visible(4);
  return {
    text: `SELECT * FROM (${shown(tenantId)}) invitations
           WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR id < $2) AND ${may.text}
           ORDER BY id DESC LIMIT $3`,
    values: [state ?? null, cursor ?? null, limit, ...may.values],
  };
}
