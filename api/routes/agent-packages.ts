import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { insistGenuine, signed } from '../../models/package-signature.ts';
import { gathered } from '../../models/tenant/package-export.ts';
import { bindingFaults, insistNew, makeAll, unpacked } from '../../models/tenant/package-import.ts';
import { agentFaults } from '../../policies/agent-check.ts';
import { agentPackage } from '../../policies/agent-package.ts';
import { authorize, hiddenFields } from '../../policies/authorize.ts';
import { type Fault, Refusal } from '../../policies/refusal.ts';
import type { Rights } from '../../policies/rights.ts';
import { dryRun, id, line } from '../shapes.ts';
import { tenantWrite } from '../tenant-route.ts';
import { versionNumber } from '../version-shape.ts';

const tag = 'Packages';
// As much as a body may have (api/app.ts), so that what is exported can be imported.
const packageBytesMax = 240 * 1024;

const shownPackage = z
  .looseObject({ format: z.string(), id: id('pkg') })
  .meta({ id: 'AgentPackage', description: 'Kept as it is: its signature covers all of it.' });

export const exportPackage = tenantWrite({
  method: 'post',
  path: '/agent-packages',
  tag,
  summary: 'Take an agent or a workflow out, with all it needs, as a signed package without ids and secrets',
  permit: ['export', 'AgentPackage'],
  body: z.strictObject({
    agentId: id('agt').optional().meta({ description: 'This or workflowId.' }),
    workflowId: id('wfl').optional(),
    version: z
      .union([versionNumber, z.enum(['live', 'draft'])])
      .optional()
      .meta({ description: 'Absent: the live one, or the draft of what was never published.' }),
    recipientTenantId: id('ten')
      .optional()
      .meta({ description: 'The only organisation that may take it in.' }),
    expiresInDays: z.int().min(1).max(30).default(7),
  }),
  answers: { 200: z.object({ package: shownPackage }) },
  notStored: 'The package is in the answer, and another one may be made at any time.',
  handle: async ({ tenant: { sql }, body, place, tenantId, rights, ids }) => {
    const { agentId, workflowId, version, recipientTenantId: recipient = null, expiresInDays: days } = body;
    const root = rootOf(agentId, workflowId);
    const insistReadable = (kind: 'agent' | 'workflow', row: Row) => insistWhole(rights, ids, kind, row);
    const wanted = { root: { ...root, which: version }, tenantId, recipient, days, insistReadable };
    const made = signed(await gathered(sql, await keyringOf(place), wanted));
    if (JSON.stringify(made).length > packageBytesMax)
      throw new Refusal(
        'unprocessable',
        `The package would have more than ${packageBytesMax} bytes; export its parts by themselves.`,
      );
    const details = {
      [`${root.kind}Id`]: root.id,
      recipient,
      agents: made.agents.length,
      workflows: made.workflows.length,
    };
    return { status: 200, body: { package: made }, audit: { id: made.id, after: made, details } };
  },
});

function rootOf(agentId: string | undefined, workflowId: string | undefined) {
  if (agentId !== undefined && workflowId === undefined) return { kind: 'agent' as const, id: agentId };
  if (workflowId !== undefined && agentId === undefined) return { kind: 'workflow' as const, id: workflowId };
  throw new Refusal('invalid-request', 'Name either an agent or a workflow.', {
    errors: [
      { pointer: '/agentId', code: 'not-acceptable', detail: 'either agentId or workflowId has to be there' },
    ],
  });
}

/** Nobody carries out what they may not read here. What may not be seen is not there. */
function insistWhole(rights: Rights, ids: readonly string[], kind: 'agent' | 'workflow', row: Row): void {
  const asked = { type: kind === 'agent' ? ('Agent' as const) : ('Workflow' as const), object: row, ids };
  if (!authorize(rights, 'read', asked).allowed)
    throw new Refusal('unprocessable', `There is no ${kind} ${String(row.id)}.`);
  const hidden = hiddenFields(rights, asked);
  if (hidden.length > 0)
    throw new Refusal(
      'forbidden',
      `Your roles hide ${hidden.join(', ')} of the ${kind} ${String(row.id)}, so you cannot export it.`,
    );
}

const madeShape = z.object({
  packageId: id('pkg'),
  root: z.string(),
  agents: z.array(z.object({ id: id('agt'), name: z.string() })),
  workflows: z.array(z.object({ id: id('wfl'), name: z.string() })),
});

export const importPackage = tenantWrite({
  method: 'post',
  path: '/agent-packages/imports',
  tag,
  summary:
    'Take a package in: makes drafts; with ?dryRun=true says what would be made, and lists what has to be bound',
  permit: ['import', 'AgentPackage'],
  query: z.strictObject({ dryRun }),
  body: z.strictObject({
    package: agentPackage,
    bindings: z.record(z.string().max(100), z.string().max(40)).default({}).meta({
      description: 'By the name of a slot: the id of a model provider or HTTP integration of yours.',
    }),
    names: z
      .record(z.string().max(10), line(100))
      .default({})
      .meta({ description: 'By the ref of an agent or workflow: what it is to be called here.' }),
  }),
  answers: { 200: madeShape, 201: madeShape },
  handle: async ({ tenant, body, query, place, tenantId, me, rights, ids }) => {
    const content = insistGenuine(body.package, tenantId, new Date());
    const given = { content, bindings: body.bindings, names: body.names };
    insistNone(await bindingFaults(tenant.sql, given));
    const all = unpacked(given);
    const { agents, workflows } = all;
    const summary = ({ id: made, name }: { id: string; name: string }) => ({ id: made, name });
    const made = {
      packageId: content.id,
      root: content.root,
      agents: agents.map(summary),
      workflows: workflows.map(summary),
    };
    await insistNew(tenant.sql, content.id, me, made);
    insistNone(
      agents.flatMap(({ definition }, index) =>
        agentFaults(definition).map((fault) => ({
          ...fault,
          pointer: `/package/agents/${index}/definition${fault.pointer}`,
        })),
      ),
    );
    for (const agent of agents) insistMaking(rights, 'Agent', { ...agent, ownerId: me }, ids);
    for (const workflow of workflows) insistMaking(rights, 'Workflow', { ...workflow, ownerId: me }, ids);
    await makeAll(tenant, await keyringOf(place), all, me);
    if (query.dryRun) return { status: 200, body: made, unchanged: true };
    const details = {
      exportedBy: content.exportedBy.tenantId,
      agents: agents.length,
      workflows: workflows.length,
    };
    return { status: 201, body: made, audit: { id: content.id, after: content, details } };
  },
});

function insistNone(errors: Fault[]): void {
  if (errors.length === 0) return;
  throw new Refusal('unprocessable', 'The package cannot be taken in yet; each fault is listed.', { errors });
}

/** To take a package in is to make what is in it. */
function insistMaking(
  rights: Rights,
  type: 'Agent' | 'Workflow',
  object: object,
  ids: readonly string[],
): void {
  if (authorize(rights, 'create', { type, object: { ...object }, ids }).allowed) return;
  throw new Refusal(
    'forbidden',
    `The package holds what you may not make: you may not create such a ${type}.`,
  );
}
