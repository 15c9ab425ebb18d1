import { type LlmKind, llmKind } from '../policies/llm-provider.ts';
import { config } from './databases.ts';

/** Where a model provider is when nothing else is said; undefined where an address has to be given. */
export function usualAddress(kind: LlmKind): string | undefined {
  return kind === 'demo' ? config().demoModelsUrl || undefined : llmKind(kind).address;
}
