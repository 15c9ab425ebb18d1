import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import { keyringOf } from '../models/keyring.ts';
import type { TenantScope } from '../models/scope.ts';
import { placeOf } from '../models/system/tenant.ts';
import type { Credential } from '../models/tenant/credential.ts';
import { runById } from '../models/tenant/run.ts';
import type { Target } from '../models/tenant/run-plan.ts';
import { authorize } from '../policies/authorize.ts';
import { planAt } from '../policies/plans.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';
import type { Rights } from '../policies/rights.ts';
import { beginRun } from '../temporal/begin-run.ts';
import { presentRun, runBudget, runLimits } from './run.ts';
import { steered } from './run-steering.ts';
import { id, line } from './shapes.ts';

/** How people ask for a run, of whatever it is: what they may say, and how it begins. */
const labelName = z
  .string()
  .regex(/^[a-z][a-z0-9_.-]{0,39}$/, 'must be lower-case letters, digits, _ . and -');
const manner = {
  version: z
    .int()
    .min(1)
    .max(2_147_483_647)
    .optional()
    .meta({ description: 'Absent: the one that is live.' }),
  environment: z.enum(['draft', 'live']).default('live'),
  input: z.record(z.string(), z.json()).default({}),
  conversationId: id('con').optional(),
  labels: z
    .record(labelName, line(200))
    .refine((all) => Object.keys(all).length <= 20, 'must be at most 20')
    .default({}),
  limits: runLimits.partial().default({}),
  budget: runBudget.optional().meta({
    description:
      'Held of the organisation’s limits, whole, from the start to the end; refused when it does not fit.',
  }),
};
type Manner = z.output<z.ZodObject<typeof manner>>;
const hasNoVersion = {
  path: ['version'],
  error: 'must be absent for a draft, which has no version',
};
const versioned = (body: Pick<Manner, 'version' | 'environment'>) =>
  body.version === undefined || body.environment === 'live';

export const askedOfAgent = z.strictObject(manner).refine(versioned, hasNoVersion);
export const asked = z
  .strictObject({ agentId: id('agt').optional(), workflowId: id('wfl').optional(), ...manner })
  .refine((body) => (body.agentId === undefined) !== (body.workflowId === undefined), {
    path: ['agentId'],
    error: 'must be named, or workflowId, and not both',
  })
  .refine(versioned, hasNoVersion);

type Asking = {
  tenant: TenantScope;
  tenantId: string;
  me: string;
  ids: readonly string[];
  principal: Principal;
  rights: Rights;
  credential: Credential;
  requestId: string;
};

export async function begunRun(asking: Asking, target: Target, body: Manner) {
  const { tenant, tenantId, me, principal, credential, requestId } = asking;
  const place = await placeOf(tenantId);
  if (!place || principal.kind === 'system') throw new Error('bug: a run is asked for from nowhere');
  await insistReadable(asking, target);
  const { version, environment, ...given } = body;
  const runId = await steered(() =>
    beginRun(tenant.sql, place, {
      ...given,
      target,
      which: version ?? environment,
      principal,
      ownerId: me,
      origin: 'request',
      requestId,
      weight: planAt(credential.plan, credential.planVersion).weight,
      reader: asking,
    }),
  );
  const [made] = await tenant.sql<Row>(runById(tenantId, runId).text, [runId]);
  return {
    status: 202,
    body: presentRun(await keyringOf(place), made ?? {}),
    headers: { Location: `/v1/runs/${runId}` },
    audit: { id: runId, details: { ...target, environment } },
  };
}

/** Who may not see it is not told whether it is there; running it shows what it does. */
async function insistReadable({ tenant: { sql }, rights, ids }: Asking, target: Target): Promise<void> {
  const [type, table, id] =
    'agentId' in target
      ? (['Agent', 'agents', target.agentId] as const)
      : (['Workflow', 'workflows', target.workflowId] as const);
  const [row] = await sql<Row>(`SELECT * FROM ${table} WHERE id = $1`, [id]);
  if (row && authorize(rights, 'read', { type, object: row, ids }).allowed) return;
  throw new Refusal('unprocessable', `There is no ${type.toLowerCase()} ${id}.`);
}
