import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { agentById } from '../../models/tenant/agent.ts';
import { agentVersion } from '../../models/tenant/agent-version.ts';
import { agentKind } from '../../models/tenant/definition.ts';
import { makeLive, publish, versionList } from '../../models/tenant/publishing.ts';
import type { AgentDefinition } from '../../policies/agent-definition.ts';
import { differences } from '../../policies/difference.ts';
import { Refusal } from '../../policies/refusal.ts';
import { publishingFaults } from '../agent-rules.ts';
import { definitionShape, without } from '../agent-shape.ts';
import { etag } from '../present.ts';
import { requireVersion } from '../route.ts';
import { dryRun, id, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';
import { difference, liveBody, publishBody, version, versionNumber, versionsPage } from '../version-shape.ts';

const tag = 'Agents';
const params = z.strictObject({ agentId: id('agt') });
const live = z.object({ agentId: id('agt'), liveVersion: z.int().nullable() }).meta({ id: 'LiveAgent' });

export const publishAgent = tenantWrite({
  method: 'post',
  path: '/agents/:agentId/versions',
  tag,
  summary:
    'Publish the draft as the next version, which is live from then on; with ?dryRun=true says what is in the way',
  permit: ['publish', 'Agent'],
  params,
  query: z.strictObject({ dryRun }),
  body: publishBody,
  answers: { 200: live, 201: live },
  load: ({ params: { agentId }, tenantId }) => forUpdate(agentById(tenantId, agentId)),
  handle: async ({ tenant: { sql }, params: { agentId }, row, body, query, place, me, ...call }) => {
    requireVersion(call, Number(row.version));
    const keyring = await keyringOf(place);
    const { definition } = await agentVersion(sql, keyring, agentId, 'draft');
    const errors = await publishingFaults(sql, place, call, { agentId, definition });
    if (errors.length > 0)
      throw new Refusal('unprocessable', 'The draft cannot be published; each fault is listed.', { errors });
    const made = await publish(sql, agentKind, keyring, { id: agentId, definition, note: body.note, by: me });
    await rememberHandOffs(sql, agentId, made.version, definition);
    const answer = { agentId, liveVersion: made.version };
    if (query.dryRun) return { status: 200, body: answer, unchanged: true };
    const headers = { ...etag(made.rowVersion), Location: `/v1/agents/${agentId}/versions/${made.version}` };
    return {
      status: 201,
      body: answer,
      headers,
      audit: { id: agentId, after: definition, details: { version: made.version } },
    };
  },
});

type Sql = Parameters<typeof publish>[0];
async function rememberHandOffs(
  sql: Sql,
  agentId: string,
  made: number,
  { tools }: AgentDefinition,
): Promise<void> {
  const to = new Set(
    tools.flatMap((tool) => (tool.kind === 'hand-off' && tool.agentId !== agentId ? [tool.agentId] : [])),
  );
  await sql(
    'INSERT INTO agent_hand_offs (agent_id, version, to_agent_id) SELECT $1, $2, unnest($3::text[])',
    [agentId, made, [...to]],
  );
}

export const listAgentVersions = tenantRead({
  method: 'get',
  path: '/agents/:agentId/versions',
  tag,
  summary: 'List the versions of an agent, newest first',
  permit: ['read', 'Agent'],
  params,
  query: z.strictObject(pagingBy('number')),
  answers: { 200: page(version) },
  load: ({ params: { agentId }, tenantId }) => agentById(tenantId, agentId),
  handle: async ({ params: { agentId }, query, place, tenantId }) => {
    const keyring = await keyringOf(place);
    const { text, values } = versionList(tenantId, agentKind, agentId, {
      cursor: query.cursor,
      limit: query.limit + 1,
    });
    const rows = await inTenant(place, ({ sql }) => sql(text, values));
    return { status: 200, body: versionsPage(agentKind, keyring, agentId, rows, query.limit) };
  },
});

export const readAgentVersion = tenantRead({
  method: 'get',
  path: '/agents/:agentId/versions/:version',
  tag,
  summary: 'Read a version of an agent; with ?against= also in what it differs from another',
  permit: ['read', 'Agent'],
  params: params.extend({ version: versionNumber }),
  query: z.strictObject({ against: z.union([versionNumber, z.literal('draft')]).optional() }),
  answers: {
    200: z
      .object({
        agentId: id('agt'),
        version: z.int(),
        definition: definitionShape,
        differences: z.array(difference).optional(),
      })
      .meta({ id: 'AgentVersion' }),
  },
  load: ({ params: { agentId }, tenantId }) => agentById(tenantId, agentId),
  handle: async ({ params: { agentId, version: number }, query, row, hidden, place }) => {
    const keyring = await keyringOf(place);
    const shown = (definition: AgentDefinition) => without(definition, hidden(row));
    const { against } = query;
    const [one, other] = await inTenant(place, async ({ sql }) => [
      await agentVersion(sql, keyring, agentId, number),
      against === undefined ? undefined : await agentVersion(sql, keyring, agentId, against),
    ]);
    const definition = shown(one.definition);
    const differing = other && { differences: differences(shown(other.definition), definition) };
    return { status: 200, body: { agentId, version: number, definition, ...differing } };
  },
});

export const makeAgentLive = tenantWrite({
  method: 'put',
  path: '/agents/:agentId/live',
  tag,
  summary: 'Make another version the live one: back to an older one, or forth again',
  permit: ['publish', 'Agent'],
  params,
  query: z.strictObject({ dryRun }),
  body: liveBody,
  answers: { 200: live },
  load: ({ params: { agentId }, tenantId }) => forUpdate(agentById(tenantId, agentId)),
  handle: async ({ tenant: { sql }, params: { agentId }, row, body, query, place, ...call }) => {
    requireVersion(call, Number(row.version));
    const before = { liveVersion: row.live_version };
    const rowVersion = await makeLive(sql, agentKind, agentId, body.version);
    const { definition } = await agentVersion(sql, await keyringOf(place), agentId, body.version);
    const errors = await publishingFaults(sql, place, call, { agentId, definition });
    if (errors.length > 0)
      throw new Refusal('unprocessable', 'This version cannot be live any more; each fault is listed.', {
        errors,
      });
    const after = { liveVersion: body.version };
    const answer = { status: 200, body: { agentId, ...after } };
    if (query.dryRun) return { ...answer, unchanged: true };
    return {
      ...answer,
      headers: etag(rowVersion),
      audit: { id: agentId, before, after, reason: body.reason, details: { ...after } },
    };
  },
});
