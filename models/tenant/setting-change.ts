import type { PackName } from '../../policies/compliance-packs.ts';
import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import { type Difference, differences } from '../../policies/setting-difference.ts';
import { judged, saySame } from '../../policies/setting-faults.ts';
import type { Sources } from '../../policies/setting-inheritance.ts';
import { keyringOf } from '../keyring.ts';
import type { Place, Sql } from '../scope.ts';
import { addVersion, type Cause, insistOnAgent, newestVersion } from './setting-book.ts';
import { sourcesIn } from './settings.ts';

/**
 * The one way in which a tenant's settings change, whoever asks and whenever: what the level would say is judged as a
 * whole by what holds at that moment, and becomes the next version.
 */
export type Asked = {
  agentId?: string | undefined;
  /** What the level shall say, given what it says now. */
  next: (own: Record<string, unknown>) => Record<string, unknown>;
  packs?: (applied: readonly PackName[]) => readonly PackName[];
  author: Principal;
  reason: string;
  cause: Cause;
  /** Where in the request a fault of a key stands. */
  pointer: (path: PropertyKey[]) => string;
};

export type Changed = { version: number; changes: Difference[]; same: boolean };

/** A change that changes nothing makes no version. */
export async function changeSettings(sql: Sql, place: Place, asked: Asked): Promise<Changed> {
  const { agentId, author, reason, cause } = asked;
  const level = agentId ? 'agent' : 'tenant';
  const keyring = () => keyringOf(place);
  await insistOnAgent(sql, agentId);
  const before = await sourcesIn(sql, agentId, keyring);
  const packs = asked.packs?.(before.packs) ?? before.packs;
  const { document, faults } = judged(level, asked.next(before[level]), { ...before, packs });
  if (faults.length > 0) {
    const errors = faults.map(({ path, code, detail }) => ({ pointer: asked.pointer(path), code, detail }));
    throw new Refusal('invalid-request', 'These settings cannot hold; each fault is listed.', { errors });
  }
  const after: Sources = { ...before, packs, [level]: document };
  const changes = differences(before, after);
  if (saySame(document, before[level]) && packs.join() === before.packs.join())
    return { version: await newestVersion(sql), changes: [], same: true };
  const version = await addVersion(sql, keyring, {
    agentId,
    document,
    packs: agentId ? [] : packs,
    author,
    reason,
    cause,
  });
  return { version, changes, same: false };
}
