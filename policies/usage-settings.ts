import { setting, tenantUp } from './setting.ts';
import { type AbuseMeasure, ofLimits, ofUsage } from './settings-shapes.ts';

/** Keys of the settings book that say what is taken for abuse (policies/abuse.ts), and what happens then. */
export const usageSettings = {
  'usage.abuseRules': setting({
    shape: ofUsage.rules,
    fallback: [...ofUsage.allRules],
    levels: tenantUp,
    about:
      'What is watched for: `spike`, an hour far above the same hours before; `key-places`, a key that comes from many networks; `key-refusals`, a key that is refused again and again.',
  }),
  'usage.abuseMeasure': setting<AbuseMeasure>({
    shape: ofUsage.measure,
    fallback: 'slow',
    levels: tenantUp,
    about: 'What happens to a key, agent or person that such a rule finds: `slow`, or `refuse`.',
  }),
  'usage.abuseMinutes': setting({
    shape: ofLimits.upTo(10_080, 'minutes'),
    fallback: 60,
    levels: tenantUp,
    about: 'Minutes after which that ends by itself.',
  }),
  'usage.spikeFactor': setting({
    shape: ofLimits.upTo(1_000, 'times'),
    fallback: 10,
    levels: tenantUp,
    about:
      'How many times the most of the same hours in the last two weeks an hour has to be, to be a spike.',
  }),
  'usage.spikeRequests': setting({
    shape: ofLimits.upTo(1_000_000_000, 'requests'),
    fallback: 5_000,
    levels: tenantUp,
    about: 'Fewer requests of one key or person in an hour are never a spike.',
  }),
  'usage.spikeRuns': setting({
    shape: ofLimits.upTo(1_000_000, 'runs'),
    fallback: 200,
    levels: tenantUp,
    about: 'Fewer runs of one key, agent or person in an hour are never a spike.',
  }),
  'usage.spikeTokens': setting({
    shape: ofLimits.upTo(1_000_000_000, 'tokens'),
    fallback: 5_000_000,
    levels: tenantUp,
    about: 'Fewer tokens of one key, agent or person in an hour are never a spike.',
  }),
  'usage.keyNetworks': setting({
    shape: ofLimits.upTo(1_000, 'networks'),
    fallback: 20,
    levels: tenantUp,
    about:
      'From so many networks a key has to come within an hour, and from three times as many as in any hour of the last week, to be taken for leaked.',
  }),
  'usage.keyRefusals': setting({
    shape: ofLimits.upTo(1_000_000, 'refusals'),
    fallback: 200,
    levels: tenantUp,
    about:
      'So many requests of a key have to be refused within an hour for it to be taken for somebody who tries things out.',
  }),
};
