import type { IncomingMessage } from 'node:http';
import { startDemoModels } from '../../deploy/embedded/demo-models.ts';
import { newId } from '../../models/ids.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant, type TenantScope } from '../../models/scope.ts';
import { agentKind, sealVersion, workflowKind } from '../../models/tenant/definition.ts';
import { createIntegration } from '../../models/tenant/integration.ts';
import { createProvider } from '../../models/tenant/llm-provider.ts';
import { agentDefinition } from '../../policies/agent-definition.ts';
import { workflowDefinition } from '../../policies/workflow-definition.ts';
import { placed } from './people.ts';
import { freshSlug } from './tenants.ts';
import { plainServer } from './tls-server.ts';

/** A tool that keeps what it was asked for by idempotency key, as a careful one does, and models by rules. */
type Effect = { key: string; url: string; body: unknown; times: number };
export type Outside = {
  effects: Map<string, Effect>;
  /** Set by a test: what the tool does before it answers. */
  before: { act: (effect: Effect) => Promise<number | undefined> | number | undefined };
  toolUrl: string;
  modelUrl: string;
  stop(): Promise<void>;
};

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = await request.toArray();
  return Buffer.concat(chunks).toString();
}

export async function startOutside(): Promise<Outside> {
  const effects = new Map<string, Effect>();
  const before: Outside['before'] = { act: () => undefined };
  const tool = await plainServer(async (request, response) => {
    const text = await textOf(request);
    const key = String(request.headers['idempotency-key']);
    const known = effects.get(key);
    const body: unknown = text === '' ? null : JSON.parse(text);
    const effect = known ?? { key, url: request.url ?? '', body, times: 0 };
    effect.times += 1;
    effects.set(key, effect);
    const status = (await before.act(effect)) ?? 200;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ done: effect.url, got: effect.body }));
  });
  const models = await startDemoModels(0);
  return {
    effects,
    before,
    toolUrl: `http://127.0.0.1:${tool.port}`,
    modelUrl: models.url,
    async stop() {
      tool.stop();
      await models.stop();
    },
  };
}

/** What a tenant's people set up before they run anything. */
export type Equipped = { tenantId: string; integrationId: string; providerId: string };

export async function equip(tenantId: string, outside: Outside, by: string): Promise<Equipped> {
  const place = await placed(tenantId);
  const keyring = await keyringOf(place);
  return inTenant(place, async (tenant) => {
    const providerId = await providerAt(tenant, outside.modelUrl, by);
    const integrationId = await createIntegration(
      tenant.sql,
      keyring,
      {
        name: freshSlug('tool'),
        kind: 'http',
        target: { url: outside.toolUrl, auth: 'bearer' },
        credential: 'a-token-for-tests',
        expiresAt: null,
      },
      { verdicts: [], certificateUntil: null },
    );
    return { tenantId, providerId, integrationId };
  });
}

export const providerAt = (tenant: TenantScope, baseUrl: string, by: string): Promise<string> =>
  createProvider(
    tenant,
    {
      name: freshSlug('llm'),
      kind: 'openai-compatible',
      region: 'EU',
      baseUrl,
      apiVersion: null,
      models: null,
      aliases: {},
      agents: null,
      timeoutSeconds: 60,
      enabled: true,
    },
    by,
  );

export async function makeWorkflow(tenantId: string, definition: object): Promise<string> {
  const place = await placed(tenantId);
  const keyring = await keyringOf(place);
  const id = newId('wfl');
  const sealed = sealVersion(workflowKind, keyring, { id, version: 1 }, workflowDefinition.parse(definition));
  const note = keyring.seal('workflow_versions.sealed_note', `${id}/1`, '');
  await inTenant(place, async ({ sql }) => {
    await sql(
      'INSERT INTO workflows (id, name, name_key, sealed_definition, latest_version) VALUES ($1, $1, $1, $2, 1)',
      [id, sealed],
    );
    await sql(
      "INSERT INTO workflow_versions (workflow_id, version, sealed_definition, sealed_note, published_by) VALUES ($1, 1, $2, $3, 'test')",
      [id, sealed, note],
    );
    await sql('UPDATE workflows SET live_version = 1 WHERE id = $1', [id]);
  });
  return id;
}

/** Again for one that is there: another version of it, live from now on. */
export async function makeAgent(tenantId: string, definition: object, known?: string): Promise<string> {
  const place = await placed(tenantId);
  const keyring = await keyringOf(place);
  const id = known ?? newId('agt');
  const version = known ? 2 : 1;
  const parsed = agentDefinition.parse({ model: 'demo', ...definition });
  const sealed = sealVersion(agentKind, keyring, { id, version }, parsed);
  const note = keyring.seal('agent_versions.sealed_note', `${id}/${version}`, '');
  await inTenant(place, async ({ sql }) => {
    if (!known)
      await sql('INSERT INTO agents (id, name, name_key, model) VALUES ($1, $1, $1, $2)', [id, parsed.model]);
    await sql(
      "INSERT INTO agent_versions (agent_id, version, sealed_definition, sealed_note, published_by) VALUES ($1, $2, $3, $4, 'test')",
      [id, version, sealed, note],
    );
    await sql('UPDATE agents SET live_version = $2, latest_version = $2 WHERE id = $1', [id, version]);
  });
  return id;
}
