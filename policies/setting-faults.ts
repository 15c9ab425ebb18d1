import { boundsOf } from './compliance-packs.ts';
import type { Level } from './setting.ts';
import { inWords, narrower, within } from './setting-bounds.ts';
import { effective, type Sources } from './setting-inheritance.ts';
import {
  declarationOf,
  isSettingKey,
  type SettingDocument,
  type SettingKey,
  settingKeys,
} from './settings.ts';

/** What is wrong with what a level would say: every fault at once, each with the key it is about. */
type SettingFault = { path: PropertyKey[]; code: string; detail: string };
export type Judged = { document: SettingDocument; faults: SettingFault[] };

/**
 * `now` is what holds at present. Values come out as their shapes make them: trimmed, for example. What a level says
 * already is not held against it when those above have become narrower since: it is narrowed where it is used.
 */
export function judged(level: Level, said: Record<string, unknown>, now: Sources): Judged {
  const above = { ...now, [level]: {} };
  const faults: SettingFault[] = [];
  const document: Record<string, unknown> = {};
  for (const [key, given] of Object.entries(said)) {
    const { value, faults: found } = judgedValue(level, key, given, above);
    const isNew = !isSettingKey(key) || !isSame(now[level][key], given);
    faults.push(...(isNew ? found : []));
    document[key] = value;
  }
  // Each value was parsed by the shape of its key, or there is a fault.
  const whole = document as SettingDocument;
  return { document: whole, faults: [...faults, ...(faults.length === 0 ? contradictions(whole) : [])] };
}

function judgedValue(
  level: Level,
  key: string,
  given: unknown,
  above: Sources,
): { value?: unknown; faults: SettingFault[] } {
  const fault = (code: string, detail: string) => ({ faults: [{ path: [key], code, detail }] });
  if (!isSettingKey(key))
    return fault('unknown-key', `“${key}” is no setting; GET /v1/settings?effective=true lists them.`);
  const { shape, levels } = declarationOf(key);
  if (!levels.includes(level))
    return fault('wrong-level', `is set for ${levels.join(' and ')}, not for ${level}`);
  const parsed = shape.safeParse(given);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => ({
      path: [key, ...path],
      code: 'not-acceptable',
      detail: message,
    }));
    return { faults };
  }
  return { value: parsed.data, faults: beyond(key, parsed.data, above) };
}

/** What is more than platform, plan, tenant or a pack leave open. */
function beyond(key: SettingKey, value: unknown, above: Sources): SettingFault[] {
  const packed = boundsOf(above.packs)
    .filter((each) => each.key === key && !within(value, each.bound))
    .map(({ pack, bound }) => ({
      path: [key],
      code: 'pack',
      detail: `the pack ${pack} asks for ${inWords(bound)}; stricter is fine, laxer only without the pack`,
    }));
  const { value: most, origin } = effective(key, { ...above, packs: [] });
  const bound = declarationOf(key).narrows && origin !== 'default' && !narrower(most, value);
  const wider = {
    path: [key],
    code: 'wider',
    detail: `must be within what the ${origin} allows: ${JSON.stringify(most)}`,
  };
  return bound ? [...packed, wider] : packed;
}

const isSame = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

/** Whether two documents say the same, in whatever order. */
export const saySame = (one: SettingDocument, other: SettingDocument): boolean =>
  settingKeys.every((key) => isSame(one[key], other[key]));

function contradictions(document: SettingDocument): SettingFault[] {
  const first = document['llm.defaultProvider'];
  if (!first || !document['llm.fallbackProviders']?.includes(first)) return [];
  const detail = 'must not name the default provider: it is asked first anyway';
  return [{ path: ['llm.fallbackProviders'], code: 'contradiction', detail }];
}
