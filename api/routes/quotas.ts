import { z } from 'zod';
import type { Row, Statement } from '../../models/batch.ts';
import type { Sql } from '../../models/scope.ts';
import { settleLimits } from '../../models/tenant/limit-watch.ts';
import { ruleOf } from '../../models/tenant/quota.ts';
import { addQuota, changeQuota, removeQuota, rulesToChange } from '../../models/tenant/quota-change.ts';
import { quotaList } from '../../models/tenant/quota-list.ts';
import { askIn, foresee } from '../../models/tenant/quota-overview.ts';
import {
  beyondPlan,
  inOwnSpelling,
  insistNew,
  type NewQuota,
  quotaFaults,
} from '../../policies/quota-rules.ts';
import type { QuotaRule } from '../../policies/quotas.ts';
import { type Fault, Refusal } from '../../policies/refusal.ts';
import { followLimits } from '../limits-changed.ts';
import { etag } from '../present.ts';
import { newQuota, presentQuota, quota, quotaChange, quotaId } from '../quota.ts';
import { requireVersion } from '../route.ts';
import { dryRun } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Limits';
const params = z.strictObject({ quotaId });
const path = '/quotas/:quotaId';

export const listQuotas = tenantRead({
  method: 'get',
  path: '/quotas',
  tag,
  summary: 'Every limit: how much is used and reserved, when it is used up or begins anew, and how it holds',
  permit: ['read', 'Quota'],
  answers: { 200: z.object({ items: z.array(quota) }) },
  load: ({ tenantId }) => quotaList(tenantId),
  handle: async ({ rows, place, tenantId }) => ({
    status: 200,
    body: { items: (await foresee(askIn(place), tenantId, rows)).map(presentQuota) },
  }),
});

export const readQuota = tenantRead({
  method: 'get',
  path,
  tag,
  summary: 'One limit, and how much of it is gone',
  permit: ['read', 'Quota'],
  params,
  answers: { 200: quota },
  load: ({ tenantId, params: { quotaId: id } }) => quotaList(tenantId, id),
  handle: async ({ rows, row, place, tenantId }) => {
    const [found = goneNow()] = await foresee(askIn(place), tenantId, rows);
    return { status: 200, body: presentQuota(found), headers: etag(row.version) };
  },
});

export const makeQuota = tenantWrite({
  method: 'post',
  path: '/quotas',
  tag,
  summary: 'Limit everybody, or agents, keys and runs, further than the plan does',
  permit: ['create', 'Quota'],
  query: z.strictObject({ dryRun }),
  body: newQuota,
  answers: { 201: quota, 200: quota },
  handle: async ({ tenant: { sql }, tenantId, query, body, place }) => {
    const given = inOwnSpelling({
      ...body,
      hard: body.hard ?? true,
      unreachable: body.unreachable ?? 'refuse',
      thresholds: body.thresholds ?? [80, 90, 100],
    });
    const { rules, now } = await rulesToChange(sql);
    insist([...quotaFaults(given), ...beyondPlan(given, rules), ...(await nobody(sql, given))]);
    insistNew(given, rules);
    const id = await addQuota(sql, given, now);
    const after = await presented(sql, tenantId, id);
    if (query.dryRun) return { status: 200, body: after, unchanged: true };
    await settleLimits(sql);
    return {
      status: 201,
      body: after,
      headers: { ...etag(after.version), Location: `/v1/quotas/${id}` },
      audit: { id, after: given },
      afterCommit: () => followLimits(place),
    };
  },
});

export const updateQuota = tenantWrite({
  method: 'patch',
  path,
  tag,
  summary: 'Change a limit of one’s own; of the plan’s, when somebody is told of it',
  permit: ['update', 'Quota'],
  params,
  query: z.strictObject({ dryRun }),
  body: quotaChange,
  answers: { 200: quota },
  load: ({ tenantId, params: { quotaId: id } }) => quotaList(tenantId, id),
  handle: async ({
    tenant: { sql },
    tenantId,
    params: { quotaId: id },
    query,
    body,
    row: found,
    place,
    ...call
  }) => {
    const { rule, rules } = await limitToChange(sql, id, call);
    const { thresholds: _, ...more } = body;
    if (rule.origin !== 'tenant' && Object.values(more).some((value) => value !== undefined)) throw notOwn();
    if (body.amount !== undefined && rule.origin === 'tenant')
      insist(beyondPlan({ ...rule, amount: body.amount }, rules));
    await changeQuota(sql, id, body);
    await settleLimits(sql);
    const after = await presented(sql, tenantId, id);
    return {
      status: 200,
      body: after,
      headers: etag(after.version),
      audit: { id, before: saidOf(ruleOf(found)), after: saidOf(after) },
      unchanged: query.dryRun,
      afterCommit: () => followLimits(place),
    };
  },
});

export const deleteQuota = tenantWrite({
  method: 'delete',
  path,
  tag,
  summary: 'Take a limit of one’s own away, with what was counted against it; a dry run answers what that is',
  permit: ['delete', 'Quota'],
  params,
  query: z.strictObject({ dryRun }),
  answers: { 200: quota, 204: null },
  load: ({ tenantId, params: { quotaId: id } }) => quotaList(tenantId, id),
  handle: async ({ tenant: { sql }, tenantId, params: { quotaId: id }, query, row, place, ...call }) => {
    const { rule } = await limitToChange(sql, id, call);
    if (rule.origin !== 'tenant') throw notOwn();
    if (query.dryRun) return { status: 200, body: await presented(sql, tenantId, id), unchanged: true };
    await removeQuota(sql, id);
    await settleLimits(sql);
    return {
      status: 204,
      audit: { id, before: saidOf(ruleOf(row)) },
      afterCommit: () => followLimits(place),
    };
  },
});

async function presented(sql: Sql, tenantId: string, id: string) {
  const ask = ({ text, values }: Statement) => sql<Row>(text, values);
  const [found = goneNow()] = await foresee(ask, tenantId, await ask(quotaList(tenantId, id)));
  return presentQuota(found);
}

/** As it is in the turn of whoever changes it, if that is the version they have seen. */
async function limitToChange(sql: Sql, id: string, call: Parameters<typeof requireVersion>[0]) {
  const { rules } = await rulesToChange(sql);
  const rule = rules.find((each) => each.id === id) ?? goneNow();
  requireVersion(call, rule.version);
  return { rule, rules };
}

const goneNow = (): never => {
  throw new Refusal('not-found', 'There is nothing at this address.');
};

const notOwn = () =>
  new Refusal(
    'conflict',
    'This limit is not one of your own: of it only the thresholds can be changed here. Ask for more with POST /v1/quota-requests.',
  );

function insist(errors: Fault[]): void {
  if (errors.length > 0)
    throw new Refusal('invalid-request', 'This limit cannot be; each fault is listed.', { errors });
}

/** A limit for somebody who is not there would never hold anything. */
async function nobody(sql: Sql, { scope, scopeId }: NewQuota): Promise<Fault[]> {
  const table = scope === 'agent' ? 'agents' : scope === 'key' ? 'api_keys' : undefined;
  if (!table || scopeId === '') return [];
  const found = await sql(`SELECT id FROM ${table} WHERE id = $1`, [scopeId]);
  if (found.length > 0) return [];
  return [{ pointer: '/scopeId', code: 'unknown', detail: `there is no such ${scope}` }];
}

type Said = Pick<QuotaRule, 'amount' | 'hard' | 'unreachable' | 'thresholds'>;
/** For the trail: what was said of it, not how much is gone. */
const saidOf = ({ amount, hard, unreachable, thresholds }: Said) => ({
  amount,
  hard,
  unreachable,
  thresholds,
});
