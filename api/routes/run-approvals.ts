import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant, type Sql } from '../../models/scope.ts';
import { placeOf } from '../../models/system/tenant.ts';
import { changeRun, holdRun } from '../../models/tenant/held-run.ts';
import { standBehind } from '../../models/tenant/key-descent.ts';
import { runById } from '../../models/tenant/run.ts';
import {
  type ApprovalRow,
  answerApproval,
  approvalsIn,
  holdApproval,
  presentApproval,
} from '../../models/tenant/run-approval.ts';
import { Refusal } from '../../policies/refusal.ts';
import { isRunEnded } from '../../policies/run.ts';
import { nudgeRun } from '../../temporal/runs.ts';
import { approval } from '../run.ts';
import { steered } from '../run-steering.ts';
import { id } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

/** What runs ask people, and their answers. */
const tag = 'Runs';

export const listApprovals = tenantRead({
  method: 'get',
  path: '/runs/:runId/approvals',
  tag,
  summary: 'See what a run asks people',
  permit: ['read', 'Run'],
  params: z.strictObject({ runId: id('run') }),
  answers: { 200: z.object({ items: z.array(approval) }) },
  load: ({ params: { runId }, tenantId }) => runById(tenantId, runId),
  handle: async ({ params: { runId }, place }) => {
    const keyring = await keyringOf(place);
    const rows = await inTenant(place, ({ sql }) => approvalsIn(sql, runId));
    return { status: 200, body: { items: rows.map((row) => presentApproval(keyring, runId, row)) } };
  },
});

export const answerRunApproval = tenantWrite({
  method: 'post',
  path: '/runs/:runId/approvals/:stepPath',
  tag,
  summary: 'Approve or reject what a run waits for',
  permit: ['approve', 'Run'],
  params: z.strictObject({ runId: id('run'), stepPath: z.string().min(1).max(1_000) }),
  body: z.strictObject({
    verdict: z.enum(['approved', 'rejected']),
    comment: z.string().max(2_000, 'must have at most 2000 characters').optional(),
  }),
  answers: { 200: approval },
  load: ({ params: { runId }, tenantId }) => forUpdate(runById(tenantId, runId)),
  handle: async ({ tenant: { sql }, params: { runId, stepPath }, body, me, ids, credential, tenantId }) => {
    const place = await placeOf(tenantId);
    const run = await holdRun(sql, runId);
    const asked = await holdApproval(sql, runId, stepPath);
    if (!asked || !run || !place)
      throw new Refusal('not-found', 'The run asks nothing at this step; see its approvals.');
    refuseWithoutRole(asked.role, credential);
    if (await isSeparated(sql, asked.role)) await refuseOwn(sql, ids, run.owner_id);
    refuseSettled(asked, isRunEnded(run.state));
    const keyring = await keyringOf(place);
    const where = { runId, path: stepPath };
    await answerApproval(sql, keyring, where, { ...body, by: me });
    const data = { verdict: body.verdict, by: me };
    await changeRun(sql, keyring, run, { events: [{ kind: 'approval.answered', path: stepPath, data }] });
    await steered(() => nudgeRun({ tenantId, region: place.region, runId }));
    const settled = await holdApproval(sql, runId, stepPath);
    return {
      status: 200,
      body: presentApproval(keyring, runId, settled ?? asked),
      audit: { id: runId, details: { step: stepPath, verdict: body.verdict } },
    };
  },
});

function refuseWithoutRole(role: string, { roles, bound }: { roles: string[]; bound?: string[] }): void {
  if (roles.includes(role) && (!bound || bound.includes(role))) return;
  throw new Refusal('forbidden', `This is for holders of the role ${role} to answer.`);
}

/** A role under a separation of duties is there so that nobody approves what they began. */
async function isSeparated(sql: Sql, role: string): Promise<boolean> {
  const rows = await sql('SELECT id FROM duty_separations WHERE $1 = ANY (roles) LIMIT 1', [role]);
  return rows.length > 0;
}

async function refuseOwn(sql: Sql, ids: readonly string[], ownerId: string): Promise<void> {
  const starter = await standBehind(sql, [ownerId]);
  const answerer = await standBehind(sql, ids);
  if (![...answerer].some((each) => starter.has(each))) return;
  const why = 'a separation of duties names this role, so whoever started the run may not answer.';
  throw new Refusal('forbidden', `Somebody else has to answer this: ${why}`);
}

function refuseSettled({ state, answered_by, expires_at }: ApprovalRow, over: boolean): void {
  if (state === 'open' && !over && expires_at.getTime() > Date.now()) return;
  const what = state === 'open' ? (over ? 'withdrawn' : 'expired') : state;
  throw new Refusal('conflict', `This is already ${what}${answered_by ? ` by ${answered_by}` : ''}.`);
}
