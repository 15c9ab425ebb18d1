import type { LanguageModel } from 'ai';
import { usualAddress } from '../../models/llm-address.ts';
import type { LlmKind } from '../../policies/llm-provider.ts';
import { Refusal } from '../../policies/refusal.ts';

/**
 * The provider's protocol, by the `ai` SDK. Each package is loaded when it is first needed. Every key is given, even
 * an empty one: without it the packages would take one from the environment of this process, which is nobody's.
 */
export type Connection = {
  kind: LlmKind;
  baseUrl: string | null;
  apiVersion: string | null;
  /** Undefined where none is needed. */
  credential: string | undefined;
  fetch: typeof globalThis.fetch;
};

// The SDK also takes the name of a model, which it would ask a gateway of its maker for.
export type Model = Exclude<LanguageModel, string>;

type Given = { apiKey: string; baseURL: string; fetch: typeof globalThis.fetch };

export async function modelOf(connection: Connection, model: string): Promise<Model> {
  const { kind, apiVersion, credential: apiKey = '', fetch } = connection;
  const baseURL = addressOf(connection);
  const given = { apiKey, baseURL, fetch };
  switch (kind) {
    case 'openai':
      // The chat protocol, as everybody else speaks it: the other one keeps conversations at the provider.
      return (await import('@ai-sdk/openai')).createOpenAI(given).chat(model);
    case 'anthropic':
      return (await import('@ai-sdk/anthropic')).createAnthropic(given)(model);
    case 'google':
      return (await import('@ai-sdk/google')).createGoogle(given)(model);
    case 'mistral':
      return (await import('@ai-sdk/mistral')).createMistral(given)(model);
    case 'azure':
      return (await import('@ai-sdk/azure'))
        .createAzure({ ...given, ...(apiVersion && { apiVersion, useDeploymentBasedUrls: true }) })
        .chat(model);
    case 'ollama':
      return ollama(given, model);
    case 'openai-compatible':
    case 'demo':
      return compatible(kind, given, model);
  }
}

async function compatible(name: string, { apiKey, ...given }: Given, model: string): Promise<Model> {
  const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
  return createOpenAICompatible({
    ...given,
    name,
    ...(apiKey && { apiKey }),
    // Without it a stream ends without saying what it cost.
    includeUsage: true,
    supportsStructuredOutputs: true,
  })(model);
}

async function ollama({ apiKey, ...given }: Given, model: string): Promise<Model> {
  const { createOllama } = await import('ollama-ai-provider-v2');
  const headers = apiKey ? { Authorization: `Bearer ${apiKey}` } : {};
  return createOllama({ ...given, headers })(model);
}

function addressOf({ kind, baseUrl }: Connection): string {
  const address = baseUrl ?? usualAddress(kind);
  if (address) return address;
  throw new Refusal('unprocessable', 'This model provider has no base URL; give it one.');
}
