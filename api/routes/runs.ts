import { z } from 'zod';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { agentById } from '../../models/tenant/agent.ts';
import { runById, runList, soughtTokens } from '../../models/tenant/run.ts';
import { stepsBelow } from '../../models/tenant/run-step.ts';
import { authorize } from '../../policies/authorize.ts';
import { Refusal } from '../../policies/refusal.ts';
import { runStates, wordsOf } from '../../policies/run.ts';
import { etag, presentPage } from '../present.ts';
import { presentRun, presentWholeRun, runSummary, runWhole } from '../run.ts';
import { asked, askedOfAgent, begunRun } from '../run-asked.ts';
import { id, line, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Runs';

export const makeRun = tenantWrite({
  method: 'post',
  path: '/runs',
  routeClass: 'runs',
  tag,
  summary: 'Start an agent or a workflow',
  permit: ['start', 'Run'],
  body: asked,
  answers: { 202: runSummary },
  makes: ({ me }) => ({ ownerId: me }),
  handle: ({ body, ...call }) => {
    const { agentId, workflowId = '', ...asked } = body;
    return begunRun(call, agentId ? { agentId } : { workflowId }, asked);
  },
});

/** For who wants nothing but an agent to work: the same, without having to say what is started. */
export const makeAgentRun = tenantWrite({
  method: 'post',
  path: '/agents/:agentId/runs',
  routeClass: 'runs',
  tag,
  summary: 'Start this agent',
  permit: ['start', 'Run'],
  params: z.strictObject({ agentId: id('agt') }),
  body: askedOfAgent,
  answers: { 202: runSummary },
  makes: ({ me }) => ({ ownerId: me }),
  load: ({ params: { agentId }, tenantId }) => agentById(tenantId, agentId),
  handle: ({ body, params: { agentId }, row, ...call }) => {
    if (!authorize(call.rights, 'read', { type: 'Agent', object: row, ids: call.ids }).allowed)
      throw new Refusal('not-found', 'There is nothing at this address.');
    return begunRun(call, { agentId }, body);
  },
});

// Each word is one more list to read.
const wordsMax = 10;

export const listRuns = tenantRead({
  method: 'get',
  path: '/runs',
  tag,
  summary: 'List runs, newest first',
  permit: ['read', 'Run'],
  query: z.strictObject({
    ...pagingBy('run'),
    state: z.enum(runStates).optional(),
    workflowId: id('wfl').optional(),
    agentId: id('agt').optional(),
    from: z.iso.datetime().optional(),
    to: z.iso.datetime().optional(),
    startedFrom: z.iso.datetime().optional(),
    startedUntil: z.iso.datetime().optional(),
    endedFrom: z.iso.datetime().optional(),
    endedUntil: z.iso.datetime().optional(),
    label: line(264)
      .optional()
      .meta({ description: 'A label the run has, by `name` or `name=value`, in upper or lower case.' }),
    text: line(200)
      .refine((text) => wordsOf(text).length > 0, 'must hold a word: letters or digits')
      .refine((text) => wordsOf(text).length <= wordsMax, `must hold at most ${wordsMax} words`)
      .optional()
      .meta({ description: 'Words of the run’s labels; it has to have all of them.' }),
  }),
  answers: { 200: page(runSummary) },
  filtered: true,
  keyed: ({ label, text }) => label !== undefined || text !== undefined,
  load: ({ query: { cursor, limit, label, text, ...filter }, tenantId, visible, keyring }) => {
    const tokens = label === undefined && text === undefined ? [] : soughtTokens(keyring, { label, text });
    return runList(tenantId, { ...filter, tokens }, visible, { cursor, limit: limit + 1 });
  },
  handle: async ({ rows, query, place }) => {
    const keyring = await keyringOf(place);
    return { status: 200, body: presentPage(rows, query.limit, (row) => presentRun(keyring, row)) };
  },
});

export const readRun = tenantRead({
  method: 'get',
  path: '/runs/:runId',
  tag,
  summary: 'Read a run: how far it is, what went in and what came out',
  permit: ['read', 'Run'],
  params: z.strictObject({ runId: id('run') }),
  answers: { 200: runWhole },
  load: ({ params: { runId }, tenantId }) => runById(tenantId, runId),
  handle: async ({ row, place }) => {
    const keyring = await keyringOf(place);
    const steps = await inTenant(place, ({ sql }) => stepsBelow(sql, keyring, String(row.id), ''));
    return { status: 200, body: presentWholeRun(keyring, row, steps), headers: etag(row.version) };
  },
});
