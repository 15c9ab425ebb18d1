import assert from 'node:assert/strict';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import type { Startable } from '../../models/system/operation.ts';
import { addRequest, decide } from '../../models/tenant/quota-request.ts';
import type { Principal } from '../../policies/principal.ts';
import { type Caller, operator } from './client.ts';
import { askForErrand, placeFor } from './errands.ts';
import { storedOperation } from './lifecycle.ts';
import { placed } from './people.ts';
import { eventually } from './traces.ts';

/** A request for more of a limit in a tenant of its own, and what became of the limit. */
export const quotaId = 'plan.runs';
const planned = 50_000;
export const wished = 60_000;

type Asked = { seconds: number | null; byRule?: string };

export const askFor = (operator: Principal, { seconds, byRule }: Asked): Promise<Startable> =>
  askForErrand('raise-quota', operator, async ({ sql }, { operationId, by }) => {
    const [{ id: tenantId = '' } = {}] = await sql<{ id: string }>('SELECT id FROM tenant');
    const keyring = await keyringOf(await placeFor({ tenantId }));
    const row = await addRequest(sql, keyring, {
      operationId,
      quotaId,
      amount: wished,
      until: seconds === null ? null : new Date(Date.now() + seconds * 1_000),
      reason: 'a test',
      ownerId: by.id,
      byRule,
    });
    return String(row.id);
  });

export const inside = async <T extends object>(operation: Startable, text: string, values: unknown[] = []) =>
  inTenant(await placeFor(operation), ({ sql }) => sql<T>(text, values));

export async function limitOf(operation: Startable) {
  const [row] = await inside<{
    amount: number;
    origin: string;
    raised: number | null;
    holds: boolean | null;
  }>(
    operation,
    `SELECT amount::int AS amount, origin, raised_to::int AS raised, raised_until > now() AS holds FROM quotas WHERE id = $1`,
    [quotaId],
  );
  return row ?? assert.fail('there is no such limit');
}
export const asPlanned = { amount: planned, origin: 'plan', raised: null, holds: null };

export async function stateOf(operation: Startable): Promise<string> {
  const [row] = await inside<{ state: string }>(operation, 'SELECT state FROM quota_requests');
  return row?.state ?? 'none';
}

export const decided = async (operation: Startable, verdict: 'approve' | 'refuse', until: Date | null) => {
  const decision = { by: operation.principal, verdict, reason: 'a test', amount: wished, until };
  const { text, values } = decide('', String(operation.input.subjectId), decision);
  await inside(operation, text, values);
};

export const resultOf = async (operation: Startable): Promise<unknown> =>
  Object(await storedOperation(operation)).result;

export type Requested = {
  id: string;
  operationId: string;
  state: string;
  decidedBy: string | null;
  decisionReason: string | null;
  granted: number | null;
  grantedUntil: string | null;
  reason: string;
};
type Preview = {
  decision: string;
  why: string;
  price: { perMonthMinor: number; totalMinor: number | null; currency: string } | null;
  limit: { before: number; after: number };
  exhaustedAt: { before: string | null; after: string | null };
};

export const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
export const wish = { quotaId: 'plan.runs', amount: 120, reason: 'A launch' };

/** The routes of requests, as one administrator and an operator use them. */
export function requesting(tenantId: string, admin: Caller) {
  const ask = (body: object, as: Caller = admin, query = '') =>
    as.call<Requested & Preview & { errors?: { pointer: string }[] }>(
      'POST',
      `/v1/quota-requests${query}`,
      body,
    );
  const read = async (id: string) => (await admin.call<Requested>('GET', `/v1/quota-requests/${id}`)).body;
  const decide = (id: string, body: object, as: Caller = operator(), query = '') =>
    as.call<Requested & Preview>(
      'PUT',
      `/v1/tenants/${tenantId}/quota-requests/${id}/decision${query}`,
      body,
    );
  const limitNow = async () => {
    const rows = await inTenant(await placed(tenantId), ({ sql }) =>
      sql<{ amount: number; raised: number | null }>(
        `SELECT amount::int AS amount, CASE WHEN raised_until > now() THEN raised_to::int END AS raised FROM quotas
         WHERE id = 'plan.runs'`,
      ),
    );
    return rows[0];
  };
  const becomes = (id: string, state: string) =>
    eventually(async () => assert.equal((await read(id)).state, state), 30);
  return { ask, read, decide, limitNow, becomes };
}
