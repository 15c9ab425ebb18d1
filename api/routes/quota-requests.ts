import { z } from 'zod';
import { forUpdate, type Row, type Statement } from '../../models/batch.ts';
import { newId } from '../../models/ids.ts';
import type { Place } from '../../models/scope.ts';
import { mirrorRequest } from '../../models/system/quota-request.ts';
import {
  addRequest,
  holdQuota,
  requestById,
  requestList,
  withdrawRequest,
} from '../../models/tenant/quota-request.ts';
import { type RequestState, ruleVerdict } from '../../policies/quota-request.ts';
import { Refusal } from '../../policies/refusal.ts';
import { log } from '../../telemetry.ts';
import { beginErrands, endErrands } from '../errands.ts';
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
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Limits';
const params = z.strictObject({ quotaRequestId: id('qrq') });

export const listQuotaRequests = tenantRead({
  method: 'get',
  path: '/quota-requests',
  tag,
  summary: 'Requests for more of a limit, newest first, with what became of them',
  permit: ['read', 'QuotaRequest'],
  query: z.strictObject(requestFilter),
  answers: { 200: page(quotaRequest) },
  filtered: true,
  load: ({ tenantId, visible, query: { state, cursor, limit } }) =>
    requestList(tenantId, { state, cursor }, limit + 1, visible),
  handle: ({ rows, query, keyring }) => ({
    status: 200,
    body: presentPage(rows, query.limit, (row) => presentRequest(keyring, row)),
  }),
});

export const readQuotaRequest = tenantRead({
  method: 'get',
  path: '/quota-requests/:quotaRequestId',
  tag,
  summary: 'One such request',
  permit: ['read', 'QuotaRequest'],
  params,
  answers: { 200: quotaRequest },
  load: ({ tenantId, params: { quotaRequestId } }) => requestById(tenantId, quotaRequestId),
  handle: ({ row, keyring }) => ({ status: 200, body: presentRequest(keyring, row) }),
});

const preview = raiseEffect
  .extend({ decision: z.enum(['rule', 'operator']), why: z.string() })
  .meta({ id: 'QuotaRequestPreview' });

export const askForMore = tenantWrite({
  method: 'post',
  path: '/quota-requests',
  tag,
  summary: 'Ask for more of a limit, for a time or without an end; a dry run tells the price and the effect',
  permit: ['create', 'QuotaRequest'],
  query: z.strictObject({ dryRun }),
  body: z.strictObject({
    quotaId: z.string().min(1).max(100).meta({ description: 'As GET /v1/quotas lists it.' }),
    amount: z.int().min(1).meta({ description: 'What the limit shall be.' }),
    until: moment.optional().meta({ description: 'When it is lowered again; absent: never.' }),
    reason: line(500).meta({ description: 'For whoever decides.' }),
  }),
  answers: { 200: preview, 202: quotaRequest },
  makes: ({ me }) => ({ ownerId: me }),
  handle: async ({ tenant, tenantId, place, keyring, principal, me, body, query, requestId }) => {
    const ask = ({ text, values }: Statement) => tenant.sql<Row>(text, values);
    const now = new Date();
    // Two at once for one limit take turns, so that the rule grants once.
    await holdQuota(tenant.sql, body.quotaId);
    const standing = await insistOnQuota(ask, tenantId, body.quotaId);
    const wish = { amount: body.amount, until: body.until === undefined ? null : new Date(body.until) };
    insistAskable(wish, standing, now);
    insistNoneWaits(standing.waiting);
    const { amount, origin } = standing.rule;
    const verdict = ruleVerdict(wish, { amount, origin, now, grantedByRuleAt: standing.grantedByRuleAt });
    if (query.dryRun) {
      const effect = await effectOf(ask, tenantId, wish, standing, now);
      const decision = verdict.granted ? 'rule' : 'operator';
      return { status: 200, body: { ...effect, decision, why: verdict.reason }, unchanged: true };
    }
    const operationId = newId('op');
    const row = await addRequest(tenant.sql, keyring, {
      ...wish,
      operationId,
      quotaId: body.quotaId,
      reason: body.reason,
      ownerId: me,
      byRule: verdict.granted ? verdict.reason : undefined,
    });
    const subjectId = String(row.id);
    const errand = { tenantId, kind: 'raise-quota' as const, principal, requestId };
    const begin = await beginErrands(tenant, errand, [{ operationId, subjectId }]);
    return {
      status: 202,
      body: presentRequest(keyring, row),
      headers: { Location: `/v1/quota-requests/${subjectId}` },
      afterCommit: () => tellOperators(place, subjectId).then(begin),
      audit: { id: subjectId, operationId, details: { quotaId: body.quotaId, ...wish, state: row.state } },
    };
  },
});

/** At once; should that fail, its workflow tells them. */
async function tellOperators(place: Place, quotaRequestId: string): Promise<void> {
  await mirrorRequest(place, quotaRequestId).catch((error: unknown) => {
    log.warn(
      { tenantId: place.tenantId, quotaRequestId, error: String(error) },
      'a request was not listed yet',
    );
  });
}

function insistNoneWaits(waiting: string | null): void {
  if (waiting === null) return;
  const detail = `A request for more of this limit waits already: ${waiting}. Take it back to ask for something else.`;
  throw new Refusal('conflict', detail);
}

export const withdrawQuotaRequest = tenantWrite({
  method: 'delete',
  path: '/quota-requests/:quotaRequestId',
  tag,
  summary: 'Take a request back; what it raised for a time is lowered at once',
  permit: ['revoke', 'QuotaRequest'],
  params,
  answers: { 200: quotaRequest },
  load: ({ tenantId, params: { quotaRequestId } }) => forUpdate(requestById(tenantId, quotaRequestId)),
  handle: async ({ tenant: { sql }, tenantId, keyring, row }) => {
    const before = row.state as RequestState; // the column's CHECK allows no other
    const withdrawn = await withdrawRequest(sql, String(row.id));
    const operationIds = [String(row.operation_id)];
    return {
      status: 200,
      body: presentRequest(keyring, withdrawn),
      afterCommit: () => endErrands({ tenantId, kind: 'raise-quota', operationIds }),
      audit: { id: String(row.id), details: { before } },
    };
  },
});
