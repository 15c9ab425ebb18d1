import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import {
  createWorkflow,
  deleteWorkflow,
  updateWorkflow,
  workflowById,
  workflowList,
} from '../../models/tenant/workflow.ts';
import { workflowDefinition } from '../../policies/workflow-definition.ts';
import { etag, presentPage } from '../present.ts';
import { requireVersion } from '../route.ts';
import { id, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';
import { workflowFaults } from '../workflow-rules.ts';
import { changed, faults, presentWorkflow, workflow, written } from '../workflow-shape.ts';

const tag = 'Workflows';
const params = z.strictObject({ workflowId: id('wfl') });
const schema = z.toJSONSchema(workflowDefinition, { io: 'input' });

export const readWorkflowSchema = tenantRead({
  method: 'get',
  path: '/workflows/schema',
  tag,
  summary: 'The JSON Schema of definitions, for editors',
  permit: ['read', 'Workflow'],
  answers: { 200: z.looseObject({ $schema: z.string() }) },
  handle: () => ({ status: 200, body: schema }),
});

export const listWorkflows = tenantRead({
  method: 'get',
  path: '/workflows',
  tag,
  summary: 'List workflows, newest first',
  permit: ['read', 'Workflow'],
  query: z.strictObject({
    ...pagingBy('wfl'),
    name: z.string().max(100).optional(),
    tag: z.string().max(50).optional(),
  }),
  answers: { 200: page(workflow) },
  filtered: true,
  load: ({ query, tenantId, visible }) =>
    workflowList(tenantId, query, visible, { cursor: query.cursor, limit: query.limit + 1 }),
  handle: async ({ rows, query, place }) => {
    const keyring = await keyringOf(place);
    return { status: 200, body: presentPage(rows, query.limit, (row) => presentWorkflow(row, keyring)) };
  },
});

export const readWorkflow = tenantRead({
  method: 'get',
  path: '/workflows/:workflowId',
  tag,
  summary: 'Read a workflow with its draft',
  permit: ['read', 'Workflow'],
  params,
  answers: { 200: workflow },
  load: ({ params: { workflowId }, tenantId }) => workflowById(tenantId, workflowId),
  handle: async ({ row, place }) => ({
    status: 200,
    body: presentWorkflow(row, await keyringOf(place)),
    headers: etag(row.version),
  }),
});

export const makeWorkflow = tenantWrite({
  method: 'post',
  path: '/workflows',
  tag,
  summary: 'Make a workflow; its draft may still have faults, which its checks list',
  permit: ['create', 'Workflow'],
  body: written,
  answers: { 201: workflow },
  makes: ({ body, me }) => ({ tags: body.tags, ownerId: me }),
  handle: async ({ tenant: { sql }, body, me, place, tenantId }) => {
    const keyring = await keyringOf(place);
    const made = await createWorkflow(sql, keyring, body, me);
    const { text, values } = workflowById(tenantId, made);
    const [row = {}] = await sql(text, values);
    const shown = presentWorkflow(row, keyring);
    const headers = { ...etag(shown.version), Location: `/v1/workflows/${made}` };
    return { status: 201, body: shown, headers, audit: { id: made, after: shown } };
  },
});

export const changeWorkflow = tenantWrite({
  method: 'patch',
  path: '/workflows/:workflowId',
  tag,
  summary: 'Change a workflow; what it is and does, as a draft',
  permit: ['update', 'Workflow'],
  params,
  body: changed,
  answers: { 200: workflow },
  load: ({ params: { workflowId }, tenantId }) => forUpdate(workflowById(tenantId, workflowId)),
  handle: async ({
    tenant: { sql },
    params: { workflowId },
    row,
    body,
    place,
    tenantId,
    insist,
    ...call
  }) => {
    requireVersion(call, Number(row.version));
    const keyring = await keyringOf(place);
    const before = presentWorkflow(row, keyring);
    // What was not sent stays. The definition of the draft was parsed by its shape when it was opened.
    await updateWorkflow(sql, keyring, workflowId, {
      name: body.name ?? before.name,
      description: body.description ?? before.description,
      tags: body.tags ?? before.tags,
      definition: body.definition ?? before.definition,
    });
    const { text, values } = workflowById(tenantId, workflowId);
    const [stored = {}] = await sql(text, values);
    insist('update', stored);
    const after = presentWorkflow(stored, keyring);
    return {
      status: 200,
      body: after,
      headers: etag(after.version),
      audit: { id: workflowId, before, after },
    };
  },
});

export const removeWorkflow = tenantWrite({
  method: 'delete',
  path: '/workflows/:workflowId',
  tag,
  summary: 'Remove a workflow with its versions',
  permit: ['delete', 'Workflow'],
  params,
  answers: { 204: null },
  load: ({ params: { workflowId }, tenantId }) => forUpdate(workflowById(tenantId, workflowId)),
  handle: async ({ tenant: { sql }, params: { workflowId }, row, place, ...call }) => {
    requireVersion(call, Number(row.version));
    const before = presentWorkflow(row, await keyringOf(place));
    await deleteWorkflow(sql, workflowId);
    return { status: 204, audit: { id: workflowId, before } };
  },
});

export const checkDefinition = tenantWrite({
  method: 'post',
  path: '/workflows/checks',
  tag,
  summary: 'List every fault of a definition that is not saved yet',
  permit: ['create', 'Workflow'],
  body: z.strictObject({ definition: workflowDefinition }),
  answers: { 200: faults },
  notStored: 'It changes nothing.',
  makes: ({ me }) => ({ tags: [], ownerId: me }),
  handle: async ({ tenant: { sql }, body, place, ...call }) => ({
    status: 200,
    body: { faults: await workflowFaults(sql, place, call, body) },
    unchanged: true,
  }),
});

export const checkWorkflow = tenantRead({
  method: 'get',
  path: '/workflows/:workflowId/checks',
  tag,
  summary: 'List every fault of the draft, as publishing would',
  permit: ['read', 'Workflow'],
  params,
  answers: { 200: faults },
  load: ({ params: { workflowId }, tenantId }) => workflowById(tenantId, workflowId),
  handle: async ({ params: { workflowId }, row, place, ...call }) => {
    const { definition } = presentWorkflow(row, await keyringOf(place));
    const found = await inTenant(place, ({ sql }) =>
      workflowFaults(sql, place, call, { id: workflowId, definition }),
    );
    return { status: 200, body: { faults: found } };
  },
});
