import { redact } from '../../policies/redaction.ts';
import type { Settings } from '../../policies/setting-inheritance.ts';
import type { Prompt } from './generation.ts';

/** What names parts of a message to the protocol, and is no text of anybody's. */
const structure = new Set(['role', 'type', 'toolCallId', 'toolName', 'mediaType', 'providerOptions']);

/** The prompt as it leaves: personal data is blackened where the organisation says so, tool calls and results included. */
export function redacted(prompt: Prompt, settings: Settings): Pick<Prompt, 'system' | 'messages'> {
  const { system, messages } = prompt;
  if (!settings.get('privacy.redact').includes('prompts')) return { system, messages };
  const blacken = <T>(value: T): T => within(value, (text) => redact(text, settings)) as T;
  return { system: system && blacken(system), messages: messages.map(blacken) };
}

function within(value: unknown, blacken: (text: string) => string): unknown {
  if (typeof value === 'string') return blacken(value);
  if (Array.isArray(value)) return value.map((each) => within(each, blacken));
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof URL)
    return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, structure.has(key) ? each : within(each, blacken)]),
  );
}
