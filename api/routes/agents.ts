import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { agentById, agentList, createAgent, removeAgentRow, updateAgent } from '../../models/tenant/agent.ts';
import { draftOf } from '../../models/tenant/agent-version.ts';
import { refuseHeldWith } from '../../models/tenant/legal-hold.ts';
import type { AgentRow } from '../../models/tenant/tables.ts';
import { type AgentDefinition, agentDefinition } from '../../policies/agent-definition.ts';
import { Refusal } from '../../policies/refusal.ts';
import { type Rights, sometimesHidden } from '../../policies/rights.ts';
import { environments } from '../../policies/rule.ts';
import { insistOnSoundAgent } from '../agent-rules.ts';
import { agent, changed, presentAgent, written } from '../agent-shape.ts';
import { etag, presentPage } from '../present.ts';
import { type Answer, requireVersion } from '../route.ts';
import { id, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Agents';
const params = z.strictObject({ agentId: id('agt') });
/** As a row comes from SQL. */
const rowOf = (stored: AgentRow) => ({
  ...stored,
  sealed_definition: stored.sealedDefinition,
  live_version: stored.liveVersion,
  owner_id: stored.ownerId,
  created_at: stored.createdAt,
  updated_at: stored.updatedAt,
});

export const listAgents = tenantRead({
  method: 'get',
  path: '/agents',
  tag,
  summary: 'List agents, newest first',
  permit: ['read', 'Agent'],
  query: z.strictObject({
    ...pagingBy('agt'),
    name: z.string().max(100).optional(),
    model: z.string().max(100).optional(),
    tag: z.string().max(50).optional(),
    environment: z.enum(environments).optional(),
  }),
  answers: { 200: page(agent) },
  filtered: true,
  load: ({ query, tenantId, visible }) =>
    agentList(tenantId, query, visible, { cursor: query.cursor, limit: query.limit + 1 }),
  handle: async ({ rows, query, rights, hidden, place }) => {
    refuseHiddenFilters(rights, { model: query.model, tags: query.tag, environment: query.environment });
    const keyring = await keyringOf(place);
    const body = presentPage(rows, query.limit, (row) => presentAgent(row, keyring, hidden(row)));
    return { status: 200, body };
  },
});

export const readAgent = tenantRead({
  method: 'get',
  path: '/agents/:agentId',
  tag,
  summary: 'Read an agent',
  permit: ['read', 'Agent'],
  params,
  answers: { 200: agent },
  load: ({ params: { agentId }, tenantId }) => agentById(tenantId, agentId),
  handle: async ({ row, hidden, place }) => ({
    status: 200,
    body: presentAgent(row, await keyringOf(place), hidden(row)),
    headers: etag(row.version),
  }),
});

export const makeAgent = tenantWrite({
  method: 'post',
  path: '/agents',
  tag,
  summary: 'Make an agent',
  permit: ['create', 'Agent'],
  body: written,
  answers: { 201: agent },
  makes: ({ body, me }) => ({ ...body, ownerId: me }),
  handle: async ({ tenant, body, me, hidden, place }): Promise<Answer> => {
    const { name, description, tags, environment, ...definition } = body;
    insistOnSoundAgent(definition);
    const keyring = await keyringOf(place);
    const named = { name, description, tags, environment, model: body.model };
    const made = rowOf((await createAgent(tenant, keyring, { ...named, definition }, me)).get());
    const whole = presentAgent(made, keyring);
    return {
      status: 201,
      body: presentAgent(made, keyring, hidden(made)),
      headers: { ...etag(made.version), Location: `/v1/agents/${made.id}` },
      audit: { id: made.id, after: whole },
    };
  },
});

export const changeAgent = tenantWrite({
  method: 'patch',
  path: '/agents/:agentId',
  tag,
  summary: 'Change an agent',
  permit: ['update', 'Agent'],
  params,
  body: changed,
  answers: { 200: agent },
  load: ({ params: { agentId }, tenantId }) => forUpdate(agentById(tenantId, agentId)),
  handle: async ({ tenant, params: { agentId }, body, hidden, insist, place, ...call }) => {
    const stored = await tenant.Agent.findByPk(agentId, { rejectOnEmpty: true });
    requireVersion(call, stored.version);
    const keyring = await keyringOf(place);
    const row = rowOf(stored.get());
    const before = presentAgent(row, keyring);
    const { name, description, tags, environment, ...definition } = given(body);
    const next = nextOf(draftOf(keyring, row), definition);
    insistOnSoundAgent(next);
    const changes = given({ name, description, tags, environment, model: body.model });
    const after = rowOf((await updateAgent(stored, keyring, { ...changes, definition: next })).get());
    // What one may change must still be so afterwards: nobody moves an agent to where it is not theirs to change.
    insist('update', after);
    return {
      status: 200,
      body: presentAgent(after, keyring, hidden(after)),
      headers: etag(after.version),
      audit: { id: agentId, before, after: presentAgent(after, keyring) },
    };
  },
});

export const removeAgent = tenantWrite({
  method: 'delete',
  path: '/agents/:agentId',
  tag,
  summary: 'Remove an agent',
  permit: ['delete', 'Agent'],
  inTurn: true,
  params,
  answers: { 204: null },
  load: ({ params: { agentId }, tenantId }) => forUpdate(agentById(tenantId, agentId)),
  handle: async ({ tenant, params: { agentId }, row, place, ...call }) => {
    requireVersion(call, Number(row.version));
    const before = presentAgent(row, await keyringOf(place));
    await refuseHeldWith(tenant.sql, 'agent', agentId);
    await removeAgentRow(tenant, agentId);
    return { status: 204, audit: { id: agentId, before } };
  },
});

/** To filter by a field that may be hidden would tell its content. */
function refuseHiddenFilters(rights: Rights, filters: Record<string, unknown>): void {
  const hidden = sometimesHidden(rights, 'Agent').filter((field) => filters[field] !== undefined);
  if (hidden.length > 0)
    throw new Refusal(
      'forbidden',
      `Your roles hide ${hidden.join(', ')} of some agents; filter by something else.`,
    );
}

/** What is taken away by null is absent in the definition. */
function nextOf(before: AgentDefinition, changes: { [field: string]: unknown }): AgentDefinition {
  const merged = Object.entries({ ...before, ...changes }).filter(([, value]) => value !== null);
  return agentDefinition.parse(Object.fromEntries(merged));
}

/** Only what was sent: an absent field stays as it is. */
function given<T extends object>(body: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // fromEntries forgets the keys' types; filtering removed exactly the undefined ones.
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
