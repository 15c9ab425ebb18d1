import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { callModel, type ModelAnswer, type ModelCall } from '../../activities/language-model.ts';
import type { LlmProvider } from '../../api/llm-provider.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant, type Sql } from '../../models/scope.ts';
import { announcement } from '../../models/setting-lease.ts';
import { agentKind, sealVersion } from '../../models/tenant/definition.ts';
import { settingsOf } from '../../models/tenant/settings.ts';
import { agentDefinition } from '../../policies/agent-definition.ts';
import { ModelFailure } from '../../policies/model-verdict.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { SettingDocument } from '../../policies/settings.ts';
import type { Caller } from './client.ts';
import { type KeyHolder, placed } from './people.ts';
import { freshSlug } from './tenants.ts';
import { eventually } from './traces.ts';

/** Model providers as the tests add and ask them. */
export async function added(who: Caller, body: object): Promise<LlmProvider> {
  const given = { name: freshSlug('llm'), kind: 'openai-compatible', region: 'EU', ...body };
  const reply = await who.call<LlmProvider>('POST', '/v1/llm-providers', given);
  assert.equal(reply.status, 201, reply.text);
  return reply.body;
}

type Asked = Partial<ModelCall> & { model: string; onText?: (text: string) => void; signal?: AbortSignal };

/** As a worker asks, in the name of this person. */
export async function ask(who: KeyHolder, asked: Asked): Promise<ModelAnswer> {
  const { onText, signal = new AbortController().signal, ...call } = asked;
  return callModel(
    await placed(who.tenantId),
    { messages: [{ role: 'user', content: 'Hi' }], usedBy: { principalId: who.id }, ...call },
    { signal, ...(onText && { onText }) },
  );
}

/** How it ended, in one word: a verdict with whether it may be tried again, or the refusal's sentence. */
export async function ending(asking: Promise<unknown>): Promise<string> {
  try {
    await asking;
    return 'answered';
  } catch (thrown) {
    if (thrown instanceof ModelFailure) return `${thrown.verdict}, again`;
    if (thrown instanceof Refusal)
      return typeof thrown.extra.verdict === 'string' ? thrown.extra.verdict : `refused: ${thrown.message}`;
    throw thrown;
  }
}

export type Use = {
  seq: string;
  purpose: string;
  principalId: string;
  agentId: string | null;
  runId: string | null;
  model: string;
  region: string;
  outcome: string;
  tokens: { input: number; output: number; cached: number; reasoning: number } | null;
  milliseconds: number | null;
};

/** Newest first. */
export async function usesOf(who: Caller, { id }: { id: string }, query = ''): Promise<Use[]> {
  const reply = await who.call<{ items: Use[] }>('GET', `/v1/llm-providers/${id}/uses?limit=200${query}`);
  assert.equal(reply.status, 200, reply.text);
  return reply.body.items;
}

export async function within<T>(tenantId: string, act: (sql: Sql) => Promise<T>): Promise<T> {
  return inTenant(await placed(tenantId), ({ sql }) => act(sql));
}

/** The tenant's settings from now on, past the API, announced as it announces them. */
export async function settle(tenantId: string, document: SettingDocument): Promise<void> {
  await within(tenantId, async (sql) => {
    await sql(
      `INSERT INTO setting_versions (number, document, author, reason, cause)
       SELECT coalesce(max(number), 0) + 1, $1::jsonb, '{}', 'a test', 'change' FROM setting_versions`,
      [JSON.stringify(document)],
    );
    await sql(announcement);
  });
  const place = await placed(tenantId);
  // Object.keys forgets the key type.
  const keys = Object.keys(document) as (keyof SettingDocument)[];
  await eventually(async () => {
    const settings = await settingsOf(place);
    assert.ok(keys.every((key) => isDeepStrictEqual(settings.get(key), document[key])));
  });
}

/** The first version of an agent, live. */
export async function published(tenantId: string, agentId: string, definition: object): Promise<void> {
  const keyring = await keyringOf(await placed(tenantId));
  const whole = agentDefinition.parse(definition);
  const sealed = sealVersion(agentKind, keyring, { id: agentId, version: 1 }, whole);
  await within(tenantId, async (sql) => {
    await sql(
      "INSERT INTO agent_versions (agent_id, version, sealed_definition, sealed_note, published_by) VALUES ($1, 1, $2, '', 'usr_x')",
      [agentId, sealed],
    );
    await sql('UPDATE agents SET live_version = 1, latest_version = 1 WHERE id = $1', [agentId]);
  });
}
