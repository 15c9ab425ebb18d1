import { z } from 'zod';
import type { Row, Statement } from '../models/batch.ts';
import { schemaOf } from '../models/ids.ts';
import { authorize } from '../policies/authorize.ts';
import { Refusal } from '../policies/refusal.ts';
import type { Rights } from '../policies/rights.ts';
import { namesOneTarget, runLabels, startEnvironments } from '../policies/run-start.ts';
import { id, line } from './shapes.ts';

/** What schedules and triggers have in common over REST: what they start, with which input and labels. */
const input = z.record(z.string().max(200), z.json());

export const starting = {
  name: line(100),
  agentId: id('agt').optional(),
  workflowId: id('wfl').optional(),
  environment: z.enum(startEnvironments).default('live'),
  input: input.default({}),
  labels: runLabels.default({}),
};

export const startingChanged = {
  name: line(100).optional(),
  agentId: id('agt').optional(),
  workflowId: id('wfl').optional(),
  environment: z.enum(startEnvironments).optional(),
  input: input.optional(),
  labels: runLabels.optional(),
  state: z.enum(['active', 'paused']).optional(),
};

export const oneTarget = {
  holds: namesOneTarget,
  detail: { error: 'must name either agentId or workflowId', path: ['agentId'] },
};
/** A change may leave the target as it is, or name another. */
export const atMostOneTarget = {
  holds: (given: { agentId?: unknown; workflowId?: unknown }) =>
    given.agentId === undefined || given.workflowId === undefined,
  detail: { error: 'must name either agentId or workflowId', path: ['agentId'] },
};

export const startingShown = {
  name: z.string(),
  agentId: id('agt').nullable(),
  workflowId: id('wfl').nullable(),
  environment: z.enum(startEnvironments),
  input: z.record(z.string(), z.json()),
  labels: z.record(z.string(), z.string()),
  ownerId: z
    .string()
    .meta({ description: 'In whose name runs are started: whoever last said what is started.' }),
  state: z.enum(['active', 'paused']),
  pauseReason: z.string().nullable(),
};

type Target = { agentId?: string | undefined; workflowId?: string | undefined };

/** The statement that finds the target, and what is refused when it is not there for whoever asks. */
export async function insistOnTarget(
  run: (statement: Statement) => Promise<Row[]>,
  given: Target,
  { tenantId, rights, ids }: { tenantId: string; rights: Rights; ids: readonly string[] },
): Promise<void> {
  const { agentId, workflowId } = given;
  const schema = schemaOf(tenantId);
  const [statement, type, pointer]: [Statement, 'Agent' | 'Workflow', string] =
    agentId === undefined
      ? [
          { text: `SELECT * FROM ${schema}.workflows WHERE id = $1`, values: [workflowId ?? null] },
          'Workflow',
          '/workflowId',
        ]
      : [{ text: `SELECT * FROM ${schema}.agents WHERE id = $1`, values: [agentId] }, 'Agent', '/agentId'];
  const [row] = await run(statement);
  if (row && authorize(rights, 'read', { type, object: row, ids }).allowed) return;
  const detail = `there is no such ${type.toLowerCase()}, or none that you may see`;
  throw new Refusal('unprocessable', 'What is to be started is not there.', {
    errors: [{ pointer, code: 'unknown', detail }],
  });
}
