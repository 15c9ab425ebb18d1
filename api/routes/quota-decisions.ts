import { z } from 'zod';
import type { Row, Statement } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { type Place, readInTenant } from '../../models/scope.ts';
import { mirrorRow } from '../../models/system/quota-request.ts';
import { placeOf, tenantById } from '../../models/system/tenant.ts';
import { type Decision, decide, requestById, requestList } from '../../models/tenant/quota-request.ts';
import { Refusal } from '../../policies/refusal.ts';
import { endErrands } from '../errands.ts';
import { platformRead, platformWrite } from '../platform-route.ts';
import { presentPage } from '../present.ts';
import {
  effectOf,
  insistAskable,
  insistOnQuota,
  presentRequest,
  quotaRequest,
  raiseEffect,
  requestFilter,
} from '../quota-request.ts';
import { dryRun, id, line, moment, page } from '../shapes.ts';
import { tenantParams } from './tenants.ts';

/** What operators see of organisations' requests for more, and how they decide on them. */
const tag = 'Limits';

export const listRequestsOf = platformRead({
  method: 'get',
  path: '/tenants/:tenantId/quota-requests',
  tag,
  summary: 'An organisation’s requests for more, newest first, with its reasons',
  permit: ['read', 'TenantQuota'],
  params: tenantParams,
  query: z.strictObject(requestFilter),
  answers: { 200: page(quotaRequest) },
  load: ({ params: { tenantId } }) => tenantById(tenantId),
  handle: async ({ row, query: { state, cursor, limit } }) => {
    const place = await insistLiving(row);
    const [rows = []] = await readInTenant(place, [
      requestList(place.tenantId, { state, cursor }, limit + 1),
    ]);
    const keyring = await keyringOf(place);
    return { status: 200, body: presentPage(rows, limit, (one) => presentRequest(keyring, one)) };
  },
});

export const decideRequest = platformWrite({
  method: 'put',
  path: '/tenants/:tenantId/quota-requests/:quotaRequestId/decision',
  tag,
  summary: 'Grant an organisation’s request for more, in full or in part, or refuse it',
  permit: ['decide', 'TenantQuota'],
  params: tenantParams.extend({ quotaRequestId: id('qrq') }),
  query: z.strictObject({ dryRun }),
  body: z.strictObject({
    verdict: z.enum(['approve', 'refuse']),
    amount: z.int().min(1).optional().meta({ description: 'What the limit shall be; absent: as asked for.' }),
    until: moment.nullable().optional().meta({ description: 'Absent: as asked for; null: without an end.' }),
    reason: line(500).meta({ description: 'The organisation reads it.' }),
  }),
  answers: { 200: z.union([quotaRequest, raiseEffect.meta({ id: 'QuotaDecisionPreview' })]) },
  load: ({ params: { tenantId } }) => tenantById(tenantId),
  handle: async ({ row: tenant, params, body, query, principal, system }) => {
    const place = await insistLiving(tenant);
    const { tenantId } = place;
    const ask = async (statement: Statement) => (await readInTenant(place, [statement]))[0] ?? [];
    const [row] = await ask(requestById(tenantId, params.quotaRequestId));
    if (!row) throw new Refusal('not-found', 'There is nothing at this address.');
    const decision: Decision = { by: principal, ...body, ...wishOf(body, row) };
    const now = new Date();
    const standing = await insistOnQuota(ask, tenantId, String(row.quota_id));
    if (row.state === 'waiting' && body.verdict === 'approve') insistAskable(decision, standing, now);
    if (query.dryRun) {
      const effect = await effectOf(ask, tenantId, decision, standing, now);
      return { status: 200, body: effect, unchanged: true };
    }
    const decided = await decideOnce(ask, place, row, decision);
    await mirrorRow(system.sql, tenantId, decided);
    const operationIds = [String(row.operation_id)];
    const { verdict, amount, until, reason } = decision;
    return {
      status: 200,
      body: presentRequest(await keyringOf(place), decided),
      afterCommit: () => endErrands({ tenantId, kind: 'raise-quota', operationIds }),
      audit: {
        id: params.quotaRequestId,
        tenantId,
        reason,
        operationId: String(row.operation_id),
        details: { quotaId: row.quota_id, verdict, ...(verdict === 'approve' && { amount, until }) },
      },
    };
  },
});

type Asked = { amount?: number | undefined; until?: string | null | undefined };

function wishOf({ amount, until }: Asked, row: Row): { amount: number; until: Date | null } {
  const asked = row.until instanceof Date ? row.until : null;
  const wanted = until === undefined ? asked : until === null ? null : new Date(until);
  return { amount: amount ?? Number(row.amount), until: wanted };
}

type Ask = (statement: Statement) => Promise<Row[]>;

/**
 * It is in another database than this act's own transaction, and is committed at once: should that fail, the decision
 * stands, and the same one asked for again is answered as made. What it raises is raised by the request's errand.
 */
async function decideOnce(ask: Ask, { tenantId }: Place, row: Row, decision: Decision): Promise<Row> {
  const [decided] = await ask(decide(tenantId, String(row.id), decision));
  if (decided) return decided;
  const [now = row] = await ask(requestById(tenantId, String(row.id)));
  const { verdict, amount, until } = decision;
  const same =
    verdict === 'refuse'
      ? now.state === 'refused'
      : now.state === 'approved' &&
        Number(now.granted) === amount &&
        (now.granted_until as Date | null)?.getTime() === until?.getTime();
  if (same) return now;
  throw new Refusal('conflict', `The request is ${now.state}; only one that waits can be decided.`);
}

/** Where there are no limits any more, or none yet, there is nothing to decide. */
async function insistLiving(row: Row): Promise<Place & { tenantId: string }> {
  const tenantId = String(row.id);
  const place = row.state === 'active' || row.state === 'suspended' ? await placeOf(tenantId) : undefined;
  if (place) return place;
  throw new Refusal('conflict', `The organisation is ${row.state}; there are no limits to decide about.`);
}
