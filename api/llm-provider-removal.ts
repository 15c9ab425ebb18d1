import { keyringOf } from '../models/keyring.ts';
import type { Place, Sql } from '../models/scope.ts';
import { namersOf } from '../models/tenant/llm-namers.ts';
import { isThere } from '../models/tenant/llm-provider.ts';
import { Refusal } from '../policies/refusal.ts';

/** A provider goes only when nobody is left without one: nothing live names it, or another takes over. */
export async function refuseWhileNamed(
  sql: Sql,
  place: Place,
  { providerId, handOverTo }: { providerId: string; handOverTo: string | undefined },
): Promise<void> {
  if (handOverTo !== undefined) return insistOnSuccessor(sql, providerId, handOverTo);
  const { agents, settings } = await namersOf(sql, await keyringOf(place), providerId);
  if (agents.length + settings.length === 0) return;
  const who = [
    ...agents.map(({ id, name }) => `agent “${name}” (${id})`),
    ...settings.map(({ key, agentId }) => `setting ${key}${agentId ? ` of ${agentId}` : ''}`),
  ];
  const detail = `It is named by ${who.slice(0, 10).join(', ')}${who.length > 10 ? ` and ${who.length - 10} more` : ''}; change that, or remove it with ?handOverTo= and the provider that takes over.`;
  throw new Refusal('conflict', detail, { extra: { namedBy: { agents, settings } } });
}

async function insistOnSuccessor(sql: Sql, providerId: string, handOverTo: string): Promise<void> {
  if (handOverTo !== providerId && (await isThere(sql, handOverTo))) return;
  const detail = 'must be another model provider of yours';
  throw new Refusal('invalid-request', 'Nobody can take over from this model provider.', {
    errors: [{ pointer: '?handOverTo', code: 'not-acceptable', detail }],
  });
}
