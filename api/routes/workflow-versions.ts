import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { workflowKind } from '../../models/tenant/definition.ts';
import { makeLive, publish, versionList } from '../../models/tenant/publishing.ts';
import { rememberUses, workflowById } from '../../models/tenant/workflow.ts';
import { workflowVersion } from '../../models/tenant/workflow-version.ts';
import { differences } from '../../policies/difference.ts';
import { Refusal } from '../../policies/refusal.ts';
import { etag } from '../present.ts';
import { requireVersion } from '../route.ts';
import { dryRun, id, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';
import { difference, liveBody, publishBody, version, versionNumber, versionsPage } from '../version-shape.ts';
import { usedBy, workflowFaults } from '../workflow-rules.ts';
import { definitionShown } from '../workflow-shape.ts';

const tag = 'Workflows';
const params = z.strictObject({ workflowId: id('wfl') });
const live = z
  .object({ workflowId: id('wfl'), liveVersion: z.int().nullable() })
  .meta({ id: 'LiveWorkflow' });

export const publishWorkflow = tenantWrite({
  method: 'post',
  path: '/workflows/:workflowId/versions',
  tag,
  summary:
    'Publish the draft as the next version, which is live from then on; with ?dryRun=true says what is in the way',
  permit: ['publish', 'Workflow'],
  params,
  query: z.strictObject({ dryRun }),
  body: publishBody,
  answers: { 200: live, 201: live },
  load: ({ params: { workflowId }, tenantId }) => forUpdate(workflowById(tenantId, workflowId)),
  handle: async ({ tenant: { sql }, params: { workflowId }, row, body, query, place, me, ...call }) => {
    requireVersion(call, Number(row.version));
    const keyring = await keyringOf(place);
    const { definition } = await workflowVersion(sql, keyring, workflowId, 'draft');
    const errors = await workflowFaults(sql, place, call, { id: workflowId, definition });
    if (errors.length > 0)
      throw new Refusal('unprocessable', 'The draft cannot be published; each fault is listed.', { errors });
    const made = await publish(sql, workflowKind, keyring, {
      id: workflowId,
      definition,
      note: body.note,
      by: me,
    });
    await rememberUses(sql, { id: workflowId, version: made.version }, usedBy(definition));
    const answer = { workflowId, liveVersion: made.version };
    if (query.dryRun) return { status: 200, body: answer, unchanged: true };
    const headers = {
      ...etag(made.rowVersion),
      Location: `/v1/workflows/${workflowId}/versions/${made.version}`,
    };
    return {
      status: 201,
      body: answer,
      headers,
      audit: { id: workflowId, after: definition, details: { version: made.version } },
    };
  },
});

export const listWorkflowVersions = tenantRead({
  method: 'get',
  path: '/workflows/:workflowId/versions',
  tag,
  summary: 'List the versions of a workflow, newest first',
  permit: ['read', 'Workflow'],
  params,
  query: z.strictObject(pagingBy('number')),
  answers: { 200: page(version) },
  load: ({ params: { workflowId }, tenantId }) => workflowById(tenantId, workflowId),
  handle: async ({ params: { workflowId }, query, place, tenantId }) => {
    const keyring = await keyringOf(place);
    const { text, values } = versionList(tenantId, workflowKind, workflowId, {
      cursor: query.cursor,
      limit: query.limit + 1,
    });
    const rows = await inTenant(place, ({ sql }) => sql(text, values));
    return { status: 200, body: versionsPage(workflowKind, keyring, workflowId, rows, query.limit) };
  },
});

export const readWorkflowVersion = tenantRead({
  method: 'get',
  path: '/workflows/:workflowId/versions/:version',
  tag,
  summary: 'Read a version of a workflow; with ?against= also in what it differs from another',
  permit: ['read', 'Workflow'],
  params: params.extend({ version: versionNumber }),
  query: z.strictObject({ against: z.union([versionNumber, z.literal('draft')]).optional() }),
  answers: {
    200: z
      .object({
        workflowId: id('wfl'),
        version: z.int(),
        definition: definitionShown,
        differences: z.array(difference).optional(),
      })
      .meta({ id: 'WorkflowVersion' }),
  },
  load: ({ params: { workflowId }, tenantId }) => workflowById(tenantId, workflowId),
  handle: async ({ params: { workflowId, version: number }, query, place }) => {
    const keyring = await keyringOf(place);
    const { against } = query;
    const [one, other] = await inTenant(place, async ({ sql }) => [
      await workflowVersion(sql, keyring, workflowId, number),
      against === undefined ? undefined : await workflowVersion(sql, keyring, workflowId, against),
    ]);
    const { definition } = one;
    const differing = other && { differences: differences(other.definition, definition) };
    return { status: 200, body: { workflowId, version: number, definition, ...differing } };
  },
});

export const makeWorkflowLive = tenantWrite({
  method: 'put',
  path: '/workflows/:workflowId/live',
  tag,
  summary: 'Make another version the live one: back to an older one, or forth again',
  permit: ['publish', 'Workflow'],
  params,
  query: z.strictObject({ dryRun }),
  body: liveBody,
  answers: { 200: live },
  load: ({ params: { workflowId }, tenantId }) => forUpdate(workflowById(tenantId, workflowId)),
  handle: async ({ tenant: { sql }, params: { workflowId }, row, body, query, place, ...call }) => {
    requireVersion(call, Number(row.version));
    const before = { liveVersion: row.live_version };
    const rowVersion = await makeLive(sql, workflowKind, workflowId, body.version);
    const { definition } = await workflowVersion(sql, await keyringOf(place), workflowId, body.version);
    const errors = await workflowFaults(sql, place, call, { id: workflowId, definition });
    if (errors.length > 0)
      throw new Refusal('unprocessable', 'This version cannot be live any more; each fault is listed.', {
        errors,
      });
    const after = { liveVersion: body.version };
    const answer = { status: 200, body: { workflowId, ...after } };
    if (query.dryRun) return { ...answer, unchanged: true };
    return {
      ...answer,
      headers: etag(rowVersion),
      audit: { id: workflowId, before, after, reason: body.reason, details: { ...after } },
    };
  },
});
