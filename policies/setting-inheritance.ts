import { boundsOf, type PackName } from './compliance-packs.ts';
import { brought, narrowed } from './setting-bounds.ts';
import {
  declarationOf,
  type SettingDocument,
  type SettingKey,
  type SettingValues,
  settings,
} from './settings.ts';

/** What holds, and who says so: platform, plan, tenant, agent, in this order; and what packs make of it. */
export type Origin = 'default' | 'platform' | 'plan' | 'tenant' | 'agent' | `pack:${PackName}`;

export type Sources = {
  platform: SettingDocument;
  plan: SettingDocument;
  tenant: SettingDocument;
  agent: SettingDocument;
  packs: readonly PackName[];
};

const order = ['platform', 'plan', 'tenant', 'agent'] as const;

export type Effective<K extends SettingKey> = { value: SettingValues[K]; origin: Origin };

export function effective<K extends SettingKey>(key: K, sources: Sources): Effective<K> {
  const { fallback, narrows } = declarationOf(key);
  let [value, origin]: [unknown, Origin] = [fallback, 'default'];
  for (const level of order) {
    const said = sources[level][key];
    if (said === undefined) continue;
    const next: unknown = narrows && origin !== 'default' ? narrowed(value, said) : said;
    if (next !== value) [value, origin] = [next, level];
  }
  for (const { pack, bound } of boundsOf(sources.packs).filter((each) => each.key === key)) {
    const next: unknown = brought(value, bound);
    if (next !== value) [value, origin] = [next, `pack:${pack}`];
  }
  // Every source was parsed by this key's shape before it was stored, and bounds keep to it.
  return { value: value as SettingValues[K], origin };
}

/** Settings as whoever relies on them asks for them. */
export type Settings = {
  get<K extends SettingKey>(key: K): SettingValues[K];
  origin(key: SettingKey): Origin;
};

export function settingsFrom(sources: Sources): Settings {
  return {
    get: (key) => effective(key, sources).value,
    origin: (key) => effective(key, sources).origin,
  };
}

/** Only what the book knows: what a version before this one stored under a key that is gone says nothing. */
export function asDocument(stored: unknown): SettingDocument {
  const entries = Object.entries(typeof stored === 'object' && stored !== null ? stored : {});
  // Each value was parsed by the shape of its key before it was stored.
  return Object.fromEntries(entries.filter(([key]) => Object.hasOwn(settings, key))) as SettingDocument;
}
