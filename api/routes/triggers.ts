import { z } from 'zod';
import { forUpdate, type Row, type Statement } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import type { TenantScope } from '../../models/scope.ts';
import { refuseHeldWith } from '../../models/tenant/legal-hold.ts';
import {
  changeTrigger,
  createTrigger,
  removeTrigger,
  triggerById,
  triggerList,
} from '../../models/tenant/trigger.ts';
import type { Json } from '../../policies/expression.ts';
import { mappingFaults } from '../../policies/message-mapping.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { RunLabels } from '../../policies/run.ts';
import { targetOf } from '../../policies/run-start.ts';
import { etag, presentPage } from '../present.ts';
import { type Answer, requireVersion } from '../route.ts';
import { changesNothing, changing, id, page, pagingBy } from '../shapes.ts';
import { atMostOneTarget, insistOnTarget, oneTarget, starting, startingChanged } from '../start.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';
import {
  presentTrigger,
  type ShownTrigger,
  shownTrigger,
  tracedTrigger,
  trigger,
  triggerWithSecret,
} from '../trigger.ts';

/**
 * Triggers: signed calls from outside that start runs, in the name of whoever last said what they start or took their
 * secret. (docs/triggers.md)
 */
const tag = 'Triggers';
const params = z.strictObject({ triggerId: id('trg') });
const notStored = 'the answer holds a secret';
const runner =
  ({ sql }: TenantScope) =>
  ({ text, values }: Statement) =>
    sql<Row>(text, values);

export const listTriggers = tenantRead({
  method: 'get',
  path: '/triggers',
  tag,
  summary: 'List triggers, newest first',
  permit: ['read', 'Trigger'],
  query: z.strictObject(pagingBy('trg')),
  answers: { 200: page(trigger) },
  filtered: true,
  load: ({ query, tenantId, visible }) =>
    triggerList(tenantId, visible, { cursor: query.cursor, limit: query.limit + 1 }),
  handle: async ({ rows, query, tenantId, place }) => {
    const keyring = await keyringOf(place);
    return {
      status: 200,
      body: presentPage(rows, query.limit, (row) => presentTrigger(keyring, tenantId, row)),
    };
  },
});

export const readTrigger = tenantRead({
  method: 'get',
  path: '/triggers/:triggerId',
  tag,
  summary: 'Read a trigger',
  permit: ['read', 'Trigger'],
  params,
  answers: { 200: trigger },
  load: ({ params: { triggerId }, tenantId }) => triggerById(tenantId, triggerId),
  handle: async ({ row, tenantId, place }) => ({
    status: 200,
    body: presentTrigger(await keyringOf(place), tenantId, row),
    headers: etag(row.version),
  }),
});

export const makeTrigger = tenantWrite({
  method: 'post',
  path: '/triggers',
  tag,
  summary: 'Let signed calls start runs; the secret is shown once',
  permit: ['create', 'Trigger'],
  notStored,
  body: z.strictObject(starting).refine(oneTarget.holds, oneTarget.detail),
  answers: { 201: triggerWithSecret },
  makes: ({ me }) => ({ ownerId: me }),
  handle: async ({ tenant, body, place, tenantId, principal, me, ...call }): Promise<Answer> => {
    await insistOnTarget(runner(tenant), body, { tenantId, ...call });
    insistOnMapping(body.input);
    const keyring = await keyringOf(place);
    const owner = { ownerId: me, principal };
    const made = await createTrigger(tenant.sql, keyring, { ...body, target: targetOf(body) }, owner);
    const after = await shownTrigger(tenant, keyring, tenantId, made.id);
    return {
      status: 201,
      body: { ...after, secret: made.secret },
      headers: { ...etag(after.version), Location: `/v1/triggers/${made.id}` },
      audit: { id: made.id, after: tracedTrigger(after) },
    };
  },
});

export const changeTriggerRoute = tenantWrite({
  method: 'patch',
  path: '/triggers/:triggerId',
  tag,
  summary: 'Change a trigger, pause it, or let it go on',
  permit: ['update', 'Trigger'],
  params,
  body: z
    .strictObject(startingChanged)
    .refine(atMostOneTarget.holds, atMostOneTarget.detail)
    .refine(changing, changesNothing),
  answers: { 200: trigger },
  load: ({ params: { triggerId }, tenantId }) => forUpdate(triggerById(tenantId, triggerId)),
  handle: async ({ tenant, body, place, tenantId, principal, me, row, ...call }): Promise<Answer> => {
    requireVersion(call, Number(row.version));
    const keyring = await keyringOf(place);
    const before = presentTrigger(keyring, tenantId, row);
    const target =
      body.agentId === undefined && body.workflowId === undefined ? targetIn(before) : targetOf(body);
    const { name, state, ...what } = body;
    const anew = Object.values(what).some((value) => value !== undefined);
    if (anew) await insistOnTarget(runner(tenant), target, { tenantId, ...call });
    insistOnMapping(body.input ?? {});
    await changeTrigger(tenant.sql, keyring, before.id, {
      name: name ?? String(before.name),
      target,
      environment: body.environment ?? (before.environment as 'draft' | 'live'),
      input: body.input ?? before.input,
      labels: body.labels ?? (before.labels as RunLabels),
      state: state ?? (before.state as 'active' | 'paused'),
      owner: anew ? { ownerId: me, principal } : undefined,
    });
    const after = await shownTrigger(tenant, keyring, tenantId, before.id);
    return {
      status: 200,
      body: after,
      headers: etag(after.version),
      audit: { id: before.id, before: tracedTrigger(before), after: tracedTrigger(after) },
    };
  },
});

export const removeTriggerRoute = tenantWrite({
  method: 'delete',
  path: '/triggers/:triggerId',
  tag,
  summary: 'Remove a trigger; its runs stay',
  permit: ['delete', 'Trigger'],
  inTurn: true,
  params,
  answers: { 204: null },
  load: ({ params: { triggerId }, tenantId }) => forUpdate(triggerById(tenantId, triggerId)),
  handle: async ({ tenant, params: { triggerId }, row, ...call }) => {
    requireVersion(call, Number(row.version));
    await refuseHeldWith(tenant.sql, 'trigger', triggerId);
    await removeTrigger(tenant.sql, triggerId);
    return { status: 204, audit: { id: triggerId, before: { name: row.name, ownerId: row.owner_id } } };
  },
});

function insistOnMapping(input: Record<string, Json>): void {
  const errors = mappingFaults(input);
  if (errors.length > 0) throw new Refusal('invalid-request', 'The mapping cannot be read.', { errors });
}

const targetIn = ({ agentId, workflowId }: ShownTrigger) =>
  targetOf({
    agentId: typeof agentId === 'string' ? agentId : undefined,
    workflowId: typeof workflowId === 'string' ? workflowId : undefined,
  });
