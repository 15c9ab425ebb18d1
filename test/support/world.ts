import { newId } from '../../models/ids.ts';
import { inTenant } from '../../models/scope.ts';
import { writeReceipt } from '../../models/tenant/deletion-receipt.ts';
import { operator } from './client.ts';
import { placed, signedInPerson } from './people.ts';
import { restricted } from './restrictions.ts';
import { freshSlug, type Member } from './tenants.ts';

/** Two tenants with one object of each kind in each, so that every path has something to name. */
export type World = { acme: Member; globex: Member; ids: { acme: Ids; globex: Ids } };

/** One object of each kind that a path can name. */
export type Ids = {
  sessionId: string;
  agentId: string;
  workflowId: string;
  memoryId: string;
  userId: string;
  role: string;
  dutySeparationId: string;
  requestId: string;
  keyId: string;
  invitationId: string;
  changeId: string;
  holdId: string;
  receiptId: string;
  runId: string;
  scheduleId: string;
  triggerId: string;
  integrationId: string;
  deliveryId: string;
  llmProviderId: string;
  restrictionId: string;
  notificationId: string;
  quotaRequestId: string;
  quotaId: string;
  reconciliationId: string;
  reservationId: string;
};

export async function worldOf(acme: Member, globex: Member): Promise<World> {
  // What holds anyway, said once more, so that there is a first version.
  const platform = { set: { 'retention.sessionDays': 30 }, reason: 'a test' };
  await operator().call('PATCH', '/v1/platform/settings', platform);
  return { acme, globex, ids: { acme: await filled(acme), globex: await filled(globex) } };
}

async function filled(as: Member): Promise<Ids> {
  const { id: userId } = await signedInPerson(as.tenant.id, 'viewer');
  const role = freshSlug('role');
  const agent = await made(as, '/v1/agents', { name: freshSlug('agent'), model: 'demo' });
  const asked = { agentId: agent.id, environment: 'draft', input: { prompt: 'Hello' } };
  const run = await as.call<{ id: string }>('POST', '/v1/runs', asked);
  if (run.status !== 202) throw new Error(`/v1/runs answered ${run.status}: ${run.text}`);
  const rules = [{ effect: 'allow', action: 'read', subject: 'Agent' }];
  await made(as, '/v1/roles', { name: role, title: 'A role', rules });
  const definition = { steps: [{ id: 'only', kind: 'condition', if: 'true' }] };
  const { id: workflowId } = await made(as, '/v1/workflows', { name: freshSlug('workflow'), definition });
  const { id: memoryId } = await made(as, `/v1/agents/${agent.id}/memories`, { text: 'a memory' });
  const separation = await made(as, '/v1/duty-separations', { name: role, roles: ['billing', role] });
  const { headers } = await as.call('GET', `/v1/agents/${newId('agt')}`);
  const requestId = String(headers['x-request-id']);
  const key = await made(as, '/v1/api-keys', { name: 'Nightly', kind: 'service', roles: ['viewer'] });
  const email = `guest@${as.tenant.slug}.example`;
  const { id: invitationId } = await made(as, '/v1/invitations', { email, roles: ['viewer'] });
  const provider = { name: 'Demo', kind: 'demo', region: 'EU' };
  const { id: llmProviderId } = await made(as, '/v1/llm-providers', provider);
  const limit = { meter: 'tokens', window: 'day', scope: 'agent', amount: 1_000 };
  const { id: quotaId } = await made(as, '/v1/quotas', limit);
  const settings = { set: { 'runs.maxSteps': 400 }, reason: 'a test' };
  await as.call('PATCH', '/v1/settings', settings);
  const at = new Date(Date.now() + 86_400_000).toISOString();
  const change = await made(as, '/v1/settings/scheduled-changes', { ...settings, at });
  const hold = await made(as, '/v1/legal-holds', { class: 'runs', reason: 'a test' });
  const receiptId = await inTenant(await placed(as.tenant.id), ({ sql }) =>
    writeReceipt(sql, {
      class: 'runs',
      source: 'runs',
      rule: 'a test',
      deleted: [{ id: 'run_x', at: new Date() }],
    }),
  );
  const dutySeparationId = separation.id;
  const { body } = await as.call<{ items: { id: string }[] }>('GET', `/v1/users/${userId}/sessions`);
  const sessionId = body.items[0]?.id ?? '';
  const { id: scheduleId } = await made(as, '/v1/run-schedules', {
    name: 'Nightly',
    agentId: agent.id,
    cron: '0 3 * * *',
  });
  const { id: triggerId } = await made(as, '/v1/triggers', { name: 'Orders', agentId: agent.id });
  const others = {
    dutySeparationId,
    requestId,
    keyId: key.id,
    invitationId,
    sessionId,
    changeId: change.id,
    holdId: hold.id,
    receiptId,
    llmProviderId,
    quotaId,
    runId: run.body.id,
    restrictionId: await restricted(as.tenant.id, { measure: 'warn' }),
    reconciliationId: await reconciled(as),
    reservationId: await reserved(as),
  };
  return {
    agentId: agent.id,
    workflowId,
    memoryId,
    userId,
    role,
    scheduleId,
    triggerId,
    ...others,
    ...(await connected(as)),
    ...(await nearLimits(as)),
  };
}

async function reserved(as: Member): Promise<string> {
  const amounts = [{ meter: 'tokens.output', amount: 1 }];
  return (await made(as, '/v1/usage/reservations', { id: freshSlug('job'), amounts })).id;
}

/** A webhook that nobody has tried yet, and something that could not be delivered to it. */
async function connected(as: Member): Promise<Pick<Ids, 'integrationId' | 'deliveryId'>> {
  const { id: integrationId } = await made(as, '/v1/integrations?validate=false', {
    name: freshSlug('webhook'),
    kind: 'webhook',
    target: { url: 'https://hooks.example.com/', events: ['run.finished'] },
    credential: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
  });
  const deliveryId = newId('dlv');
  await inTenant(await placed(as.tenant.id), ({ sql }) =>
    sql(
      "INSERT INTO webhook_deliveries (id, integration_id, type, payload, state, due_at) VALUES ($1, $2, 'run.finished', '{}', 'dead', NULL)",
      [deliveryId, integrationId],
    ),
  );
  return { integrationId, deliveryId };
}

let reconciledDays = 0;

/** A day that was compared: of each organisation another, so that none of them is there for the others. */
async function reconciled(as: Member): Promise<string> {
  reconciledDays += 1;
  const day = new Date(Date.now() - reconciledDays * 86_400_000).toISOString().slice(0, 10);
  await inTenant(await placed(as.tenant.id), ({ sql }) =>
    sql("INSERT INTO usage_reconciliations (day, compared, drifts) VALUES ($1, 0, '[]')", [day]),
  );
  return day.replaceAll('-', '');
}

const crossed = { quotaId: 'plan.runs', meter: 'runs', window: 'month', scope: 'tenant', scopeId: '' };
/** Something its administrator was told, and a request for more that nobody has decided. */
async function nearLimits(as: Member): Promise<Pick<Ids, 'notificationId' | 'quotaRequestId'>> {
  const wish = { quotaId: 'plan.tokens', amount: 1_000_000_000_000, reason: 'a test' };
  const { id: quotaRequestId } = await made(as, '/v1/quota-requests', wish);
  const notificationId = newId('ntf');
  await inTenant(await placed(as.tenant.id), ({ sql }) =>
    sql(
      `INSERT INTO notifications (id, owner_id, kind, subject_type, subject_id, data, mail)
       SELECT $1, principal_id, 'quota.threshold', 'Quota', 'plan.runs', $2::jsonb, 'none' FROM role_assignments
       WHERE role = 'owner' LIMIT 1`,
      [notificationId, JSON.stringify({ ...crossed, threshold: 80, used: 8, amount: 10, resetsAt: null })],
    ),
  );
  return { notificationId, quotaRequestId };
}

async function made(as: Member, path: string, body: object): Promise<{ id: string }> {
  const reply = await as.call<{ id: string }>('POST', path, body);
  if (reply.status !== 201 && reply.status !== 202)
    throw new Error(`${path} answered ${reply.status}: ${reply.text}`);
  return reply.body;
}
