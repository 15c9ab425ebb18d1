import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { agentById, agentList, createAgent, updateAgent } from '../../models/tenant/agent.ts';
import type { AgentRow } from '../../models/tenant/tables.ts';
import { Refusal } from '../../policies/refusal.ts';
import { type Rights, sometimesHidden } from '../../policies/rights.ts';
import { environments } from '../../policies/rule.ts';
import { etag, presentAgent, presentPage } from '../present.ts';
import { type Answer, requireVersion } from '../route.ts';
import { agent, changesNothing, changing, id, line, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Agents';
const params = z.strictObject({ agentId: id('agt') });
const text = (max: number) => z.string().max(max, `must have at most ${max} characters`);
const tags = z
  .array(line(50))
  .max(20, 'must have at most 20 tags')
  .refine((all) => new Set(all).size === all.length, 'must not name a tag twice');

const written = z.strictObject({
  name: line(100),
  description: text(1_000).default(''),
  instructions: text(50_000).default(''),
  model: line(100),
  tags: tags.default([]),
  environment: z.enum(environments).default('production'),
});

const changed = z
  .strictObject({
    name: line(100),
    description: text(1_000),
    instructions: text(50_000),
    model: line(100),
    tags,
    environment: z.enum(environments),
  })
  .partial()
  .refine(changing, changesNothing);

/** As a row comes from SQL. */
const rowOf = (stored: AgentRow) => ({
  ...stored,
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
  handle: ({ rows, query, rights, hidden }) => {
    refuseHiddenFilters(rights, { model: query.model, tags: query.tag, environment: query.environment });
    const body = presentPage(rows, query.limit, (row) => presentAgent(row, hidden(row)));
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
  handle: ({ row, hidden }) => ({
    status: 200,
    body: presentAgent(row, hidden(row)),
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
  handle: async ({ tenant, body, me, hidden }): Promise<Answer> => {
    const made = rowOf((await createAgent(tenant, body, me)).get());
    return {
      status: 201,
      body: presentAgent(made, hidden(made)),
      headers: { ...etag(made.version), Location: `/v1/agents/${made.id}` },
      audit: { id: made.id, after: made },
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
  handle: async ({ tenant, params: { agentId }, body, hidden, insist, ...call }) => {
    const stored = await tenant.Agent.findByPk(agentId, { rejectOnEmpty: true });
    requireVersion(call, stored.version);
    const before = rowOf(stored.get());
    const after = rowOf((await updateAgent(stored, given(body))).get());
    // What one may change must still be so afterwards: nobody moves an agent to where it is not theirs to change.
    insist('update', after);
    return {
      status: 200,
      body: presentAgent(after, hidden(after)),
      headers: etag(after.version),
      audit: { id: agentId, before, after },
    };
  },
});

export const removeAgent = tenantWrite({
  method: 'delete',
  path: '/agents/:agentId',
  tag,
  summary: 'Remove an agent',
  permit: ['delete', 'Agent'],
  params,
  answers: { 204: null },
  load: ({ params: { agentId }, tenantId }) => forUpdate(agentById(tenantId, agentId)),
  handle: async ({ tenant, params: { agentId }, row, ...call }) => {
    requireVersion(call, Number(row.version));
    await tenant.Agent.destroy({ where: { id: agentId } });
    return { status: 204, audit: { id: agentId, before: presentAgent(row) } };
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

/** Only what was sent: an absent field stays as it is. */
function given<T extends object>(body: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // fromEntries forgets the keys' types; filtering removed exactly the undefined ones.
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
