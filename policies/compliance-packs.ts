import type { Bound } from './setting-bounds.ts';
import { exclude } from './setting-bounds.ts';
import type { SettingKey } from './settings.ts';
import { ofPrivacy } from './settings-shapes.ts';

/**
 * Policy packs: each is a set of bounds on settings that holds while it is applied, whatever any level says. Stricter
 * is always fine. They help to keep a law; they are no advice on it, and `why` says what each bound is there for.
 */
export const packNames = ['gdpr', 'hipaa', 'strict'] as const;
export type PackName = (typeof packNames)[number];
type PackRule = { key: SettingKey; bound: Bound; why: string };
export type Pack = { title: string; rules: PackRule[] };

const rule = (key: SettingKey, bound: Bound, why: string): PackRule => ({ key, bound, why });
const everywhere: Bound = { atLeastAll: ['prompts', 'logs', 'memory'] };
const everything: Bound = { atLeastAll: ofPrivacy.allDetectors };

export const packs: Record<PackName, Pack> = {
  gdpr: {
    title: 'General Data Protection Regulation (EU)',
    rules: [
      rule('llm.allowedRegions', { onlyFrom: ['EU'] }, 'no transfer to third countries (chapter V)'),
      rule('retention.runDays', { most: 90 }, 'storage limitation (article 5 (1) e)'),
      rule('retention.memoryDays', { most: 365 }, 'storage limitation (article 5 (1) e)'),
      rule('retention.auditDays', { most: 1_095 }, 'storage limitation; three years for claims'),
      rule('retention.webhookDays', { most: 30 }, 'storage limitation (article 5 (1) e)'),
      rule('retention.sessionDays', { most: 90 }, 'storage limitation (article 5 (1) e)'),
      rule('retention.signInDays', { most: 90 }, 'storage limitation (article 5 (1) e)'),
      rule('privacy.redact', { atLeastAll: ['prompts', 'logs'] }, 'data minimisation (article 5 (1) c)'),
      rule('privacy.detectors', everything, 'data minimisation (article 5 (1) c)'),
    ],
  },
  hipaa: {
    title: 'Health Insurance Portability and Accountability Act (US)',
    rules: [
      rule('llm.allowedRegions', { onlyFrom: ['US'] }, 'data stays where the business associates are'),
      rule('retention.auditDays', { least: 2_190 }, 'documentation is kept for six years (45 CFR 164.316)'),
      rule('privacy.redact', everywhere, 'minimum necessary (45 CFR 164.502 (b))'),
      rule('privacy.detectors', everything, 'identifiers to be removed (45 CFR 164.514 (b) (2))'),
    ],
  },
  strict: {
    title: 'As little as possible, for as short as possible',
    rules: [
      rule('retention.runDays', { most: 30 }, 'nothing is kept that is not needed'),
      rule('retention.memoryDays', { most: 90 }, 'nothing is kept that is not needed'),
      rule('retention.webhookDays', { most: 7 }, 'nothing is kept that is not needed'),
      rule('retention.sessionDays', { most: 30 }, 'nothing is kept that is not needed'),
      rule('retention.auditDays', { least: 365 }, 'what was done stays accountable for a year'),
      rule('egress.allowedPorts', { onlyFrom: [443] }, 'nothing is sent in the clear'),
      rule('runs.maxDepth', { most: 3 }, 'what agents set going stays in sight'),
      rule('privacy.redact', everywhere, 'personal data stays out of everything'),
      rule('privacy.detectors', everything, 'personal data stays out of everything'),
    ],
  },
};

export type PackBound = PackRule & { pack: PackName };

export const boundsOf = (applied: readonly PackName[]): PackBound[] =>
  applied.flatMap((pack) => packs[pack].rules.map((each) => ({ ...each, pack })));

export type PackConflict = { key: SettingKey; packs: [PackName, PackName]; bounds: [Bound, Bound] };

/** Bounds of different packs that no value can be within. */
export function conflictsBetween(applied: readonly PackName[]): PackConflict[] {
  const all = boundsOf(applied);
  return all.flatMap((one, at) =>
    all
      .slice(at + 1)
      .filter((other) => other.key === one.key && exclude(one.bound, other.bound))
      .map(
        (other): PackConflict => ({
          key: one.key,
          packs: [one.pack, other.pack],
          bounds: [one.bound, other.bound],
        }),
      ),
  );
}
