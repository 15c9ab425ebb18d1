import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { insistAllowed } from '../../models/tenant/acting.ts';
import { type Memory, memoryOf, memoryRoles, remember } from '../../models/tenant/memory.ts';
import {
  agentToRemember,
  forget,
  forgetSubject,
  listMemories,
  memoryById,
} from '../../models/tenant/memory-reading.ts';
import { searchMemory } from '../../models/tenant/memory-search.ts';
import { visibleTo } from '../../models/visible.ts';
import { authorize } from '../../policies/authorize.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Rights } from '../../policies/rights.ts';
import { dryRun, id, limit, moment, page } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Memory';
const params = z.strictObject({ agentId: id('agt') });
const one = params.extend({ memoryId: id('mem') });
const subjectId = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(200, 'must have at most 200 characters')
  .meta({
    description: 'Whom it is about: an id of yours, an e-mail address. Upper and lower case are one.',
  });
const dayMs = 86_400_000;

const memory = z
  .object({
    id: id('mem'),
    agentId: id('agt'),
    conversationId: id('con'),
    role: z.enum(memoryRoles),
    text: z.string(),
    subjectId: z.string().nullable(),
    ownerId: z.string().nullable(),
    runId: z.string().nullable(),
    createdAt: moment,
    expiresAt: moment.nullable(),
    matched: z.int().optional().meta({ description: 'How many words of the search it holds.' }),
  })
  .meta({ id: 'Memory' });

const present = ({ createdAt, expiresAt, ...rest }: Memory) => ({
  ...rest,
  createdAt: createdAt.toISOString(),
  expiresAt: expiresAt?.toISOString() ?? null,
});

export const appendMemory = tenantWrite({
  method: 'post',
  path: '/agents/:agentId/memories',
  tag,
  summary: 'Have an agent remember something',
  permit: ['create', 'Memory'],
  params,
  body: z.strictObject({
    text: z.string().min(1, 'must not be empty').max(50_000, 'must have at most 50000 characters'),
    role: z.enum(memoryRoles).default('note'),
    conversationId: id('con').optional().meta({ description: 'Absent: a conversation of its own.' }),
    subjectId: subjectId.optional(),
    expiresInDays: z.int().min(1).max(36_500).optional(),
    idempotencyKey: z.string().min(1).max(200).optional(),
  }),
  answers: { 201: memory },
  notStored: 'Answers are kept in the clear; the idempotencyKey in the body has it remembered once.',
  makes: ({ me }) => ({ ownerId: me }),
  load: ({ params: { agentId }, tenantId, me }) => agentToRemember(tenantId, agentId, me),
  handle: async ({ tenant: { sql }, params: { agentId }, body, row, rights, ids, me, place, principal }) => {
    insistReadable(rights, row, ids);
    await insistAllowed(sql, 'keep a memory', { principalId: principal.id, agentId });
    const { expiresInDays, ...given } = body;
    const expiresAt = expiresInDays === undefined ? undefined : new Date(Date.now() + expiresInDays * dayMs);
    const made = await remember(sql, await keyringOf(place), { ...given, agentId, ownerId: me, expiresAt });
    const headers = { Location: `/v1/agents/${agentId}/memories/${made.id}` };
    // Not even a digest of it: what was said may be short enough to be guessed.
    const audit = { id: made.id, details: { agentId, conversationId: made.conversationId } };
    return { status: 201, body: present(made), headers, audit };
  },
});

/** An agent that whoever asks may not see is not there, with all it remembers. */
function insistReadable(rights: Rights, { agent_owner: owner, ...agent }: Row, ids: readonly string[]): void {
  const object = { ...agent, owner_id: owner };
  if (authorize(rights, 'read', { type: 'Agent', object, ids }).allowed) return;
  throw new Refusal('not-found', 'There is nothing at this address.');
}

export const listMemory = tenantRead({
  method: 'get',
  path: '/agents/:agentId/memories',
  tag,
  summary: 'List what an agent remembers, newest first; with ?q= what holds these words, most of them first',
  permit: ['read', 'Memory'],
  params,
  query: z.strictObject({
    limit,
    cursor: z
      .string()
      .regex(/^(\d{1,4}\.)?\d{1,18}$/, 'must be the nextCursor of a page of this list')
      .optional(),
    conversationId: id('con').optional(),
    q: z.string().min(1, 'must not be empty').max(500, 'must have at most 500 characters').optional(),
  }),
  answers: { 200: page(memory) },
  filtered: true,
  load: ({ params: { agentId }, tenantId, me }) => agentToRemember(tenantId, agentId, me),
  handle: async ({ params: { agentId }, query, row, rights, ids, place }) => {
    insistReadable(rights, row, ids);
    const keyring = await keyringOf(place);
    const visible = visibleTo(rights, 'Memory', ids);
    const { conversationId, q, limit: most } = query;
    const asked = { agentId, conversationId, limit: most + 1, visible };
    const found = await inTenant(place, async ({ sql }) => {
      if (q !== undefined)
        return searchMemory(sql, keyring, { ...asked, query: q, after: afterOf(query.cursor) });
      const rows = await listMemories(sql, { ...asked, before: query.cursor });
      return rows.map((each) => ({
        memory: memoryOf(keyring, each),
        seq: String(each.seq),
        matched: undefined,
      }));
    });
    const shown = found.slice(0, most);
    const last = found.length > most ? shown.at(-1) : undefined;
    const nextCursor = last ? [last.matched, last.seq].filter((part) => part !== undefined).join('.') : null;
    const items = shown.map(({ memory: each, matched }) => ({
      ...present(each),
      ...(matched !== undefined && { matched }),
    }));
    return { status: 200, body: { items, nextCursor } };
  },
});

function afterOf(cursor: string | undefined): { matched: number; seq: string } | undefined {
  const [matched, seq] = cursor?.split('.') ?? [];
  return seq === undefined ? undefined : { matched: Number(matched), seq };
}

export const readMemory = tenantRead({
  method: 'get',
  path: '/agents/:agentId/memories/:memoryId',
  tag,
  summary: 'Read one thing an agent remembers',
  permit: ['read', 'Memory'],
  params: one,
  answers: { 200: memory },
  load: ({ params: { agentId, memoryId }, tenantId }) => memoryById(tenantId, agentId, memoryId),
  handle: async ({ row, place }) => ({ status: 200, body: present(memoryOf(await keyringOf(place), row)) }),
});

export const forgetMemory = tenantWrite({
  method: 'delete',
  path: '/agents/:agentId/memories/:memoryId',
  tag,
  summary: 'Have an agent forget one thing',
  permit: ['forget', 'Memory'],
  params: one,
  answers: { 204: null },
  load: ({ params: { agentId, memoryId }, tenantId }) => memoryById(tenantId, agentId, memoryId),
  handle: async ({ tenant: { sql }, params: { agentId, memoryId }, row, place }) => {
    await forget(sql, await keyringOf(place), row);
    return { status: 204, audit: { id: memoryId, details: { agentId, count: 1 } } };
  },
});

export const forgetPerson = tenantWrite({
  method: 'delete',
  path: '/memories',
  tag,
  summary: 'Have all agents forget everything about one person',
  permit: ['forget', 'Memory'],
  query: z.strictObject({ dryRun }),
  // Not in the address: addresses end up in logs.
  body: z.strictObject({ subjectId }),
  answers: { 200: z.object({ forgotten: z.int() }) },
  handle: async ({ tenant: { sql }, query, body, place }) => {
    const forgotten = await forgetSubject(sql, await keyringOf(place), body.subjectId);
    // The receipt is the event in the trail: how much, and by whom; whom it was about is what was to be forgotten.
    const audit = { details: { count: forgotten, of: 'one person' } };
    return { status: 200, body: { forgotten }, audit, ...(query.dryRun && { unchanged: true }) };
  },
});
