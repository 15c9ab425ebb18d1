import { operator } from './client.ts';

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
