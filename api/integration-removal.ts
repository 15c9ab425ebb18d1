import { keyringOf } from '../models/keyring.ts';
import type { Place, Sql } from '../models/scope.ts';
import { usersOf } from '../models/tenant/integration-users.ts';
import { Refusal } from '../policies/refusal.ts';

/** Agents and workflows that would find an integration gone: by id, and as people call them. */
type InUse = { ids: string[]; called: string[] };

export async function inUse(sql: Sql, place: Place, integrationId: string): Promise<InUse> {
  const { agents, workflows, lately } = await usersOf(sql, await keyringOf(place), integrationId);
  return {
    ids: [...[...agents, ...workflows].map(({ id }) => id), ...lately],
    called: [
      ...agents.map(({ id, name }) => `agent “${name}” (${id})`),
      ...workflows.map(({ id, name }) => `workflow “${name}” (${id})`),
      ...lately.map((id) => `${id}, within the last 30 days`),
    ],
  };
}

const namedMax = 10;

export function refuseWhileUsed({ ids, called }: InUse): void {
  if (ids.length === 0) return;
  const more = called.length > namedMax ? ` and ${called.length - namedMax} more` : '';
  const detail = `It is used by ${called.slice(0, namedMax).join(', ')}${more}; change them first, or remove it all the same with ?force=true.`;
  throw new Refusal('conflict', detail, { extra: { inUseBy: ids } });
}
