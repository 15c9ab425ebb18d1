import type { AbuseRule } from './settings-shapes.ts';
import type { RestrictionScope } from './usage-restriction.ts';

/**
 * What looks like abuse: an hour far above the same hours before, and keys that behave as leaked ones do. Numbers alone
 * decide, and each can be tuned or switched off in the settings. What they find is restricted for a time, and people are told
 * at once: it is a question, which somebody answers by lifting the restriction or by revoking the key.
 */
export const spikeMeters = ['api-calls', 'runs', 'tokens'] as const;
type SpikeMeter = (typeof spikeMeters)[number];
type Suspect = { scope: Extract<RestrictionScope, 'key' | 'agent' | 'user'>; scopeId: string };

export type Found = Suspect & {
  rule: AbuseRule;
  /** How much it was, and how much would still have been usual. */
  used: number;
  limit: number;
  meter?: SpikeMeter;
};

export type Rules = {
  rules: readonly AbuseRule[];
  spikeFactor: number;
  /** Less than this in an hour is never a spike. */
  spikeLeast: { [Meter in SpikeMeter]: number };
  keyNetworks: number;
  keyRefusals: number;
};

/** One suspect's hour, the most of the same hours on earlier days, and on how many of those it did anything. */
export type HourOf = Suspect & { meter: SpikeMeter; used: number; usual: number; daysSeen: number };

// Somebody who has only just begun has no usual hour; what is far above anything that is watched counts all the same.
const daysToKnow = 3;

export function spikes({ rules, spikeFactor, spikeLeast }: Rules, hours: readonly HourOf[]): Found[] {
  if (!rules.includes('spike')) return [];
  return hours.flatMap(({ scope, scopeId, meter, used, usual, daysSeen }) => {
    const least = spikeLeast[meter];
    const limit = daysSeen < daysToKnow ? least * spikeFactor : Math.max(least, usual * spikeFactor);
    return used > limit ? [{ rule: 'spike' as const, scope, scopeId, meter, used, limit }] : [];
  });
}

/** From how many networks a key came in this hour, and in the hour of the last week in which it came from most. */
export type Places = { keyId: string; networks: number; most: number };

const placesFactor = 3;

export function leaks({ rules, keyNetworks }: Rules, places: readonly Places[]): Found[] {
  if (!rules.includes('key-places')) return [];
  return places.flatMap(({ keyId: scopeId, networks: used, most }) => {
    const limit = Math.max(keyNetworks, most * placesFactor);
    return used > limit ? [{ rule: 'key-places' as const, scope: 'key' as const, scopeId, used, limit }] : [];
  });
}

/** How many requests of a key were refused within an hour. */
export type Refusals = { keyId: string; refusals: number };

export function probes({ rules, keyRefusals }: Rules, refused: readonly Refusals[]): Found[] {
  if (!rules.includes('key-refusals')) return [];
  return refused.flatMap(({ keyId: scopeId, refusals: used }) =>
    used > keyRefusals
      ? [{ rule: 'key-refusals' as const, scope: 'key' as const, scopeId, used, limit: keyRefusals }]
      : [],
  );
}

/** What is left of the rate of whoever was found, where they are slowed. */
export const abuseFactor = 0.1;
