import { detailsOf } from '../../models/audit.ts';
import { keyringWithin } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { operator } from './client.ts';
import { placed } from './people.ts';

/** The platform's audit trail as an operator reads it. */
export type Event = {
  seq: string;
  actor: { kind: string; id: string; onBehalfOf?: string };
  action: string;
  subject: { type: string; id: string | null };
  outcome: string;
  rule: string | null;
  reason: string | null;
  requestId: string | null;
  operationId: string | null;
  source: string | null;
  details: Record<string, unknown>;
};

/** Oldest first. */
export async function trailOf(tenantId: string): Promise<Event[]> {
  const path = `/v1/platform/audit-events?limit=200&tenantId=${tenantId}`;
  const { body } = await operator().call<{ items: Event[] }>('GET', path);
  return body.items.toReversed();
}

/** Events of one action in a tenant's own trail, oldest first, with what is sealed of them opened. */
export async function detailsIn<T = Record<string, unknown>>(
  tenantId: string,
  condition: string,
  ...values: unknown[]
): Promise<T[]> {
  return inTenant(await placed(tenantId), async ({ sql }) => {
    const keyring = await keyringWithin(sql);
    const rows = await sql(
      `SELECT id, details, sealed_details FROM audit_events WHERE ${condition} ORDER BY seq`,
      values,
    );
    return rows.map((row) => detailsOf(keyring, row) as T);
  });
}
