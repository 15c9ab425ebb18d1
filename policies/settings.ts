import { z } from 'zod';
import { levels, type Setting, setting, tenantOnly, tenantUp } from './setting.ts';
import { ofLimits, ofModels, ofPrivacy, ofRetention } from './settings-shapes.ts';
import { usageSettings } from './usage-settings.ts';

/**
 * The settings book: every key there is, with its shape, what holds until somebody says otherwise, who may change it,
 * and what it is for. docs/settings.md is made from this list. A key that is not here cannot be set, stored or read.
 */
export const settings = {
  'llm.allowedProviders': setting({
    shape: ofModels.providers,
    fallback: null,
    levels,
    narrows: true,
    about: 'Kinds of model providers that may be used, such as `openai`; `null` is every kind.',
  }),
  'llm.allowedModels': setting({
    shape: ofModels.models,
    fallback: null,
    levels,
    narrows: true,
    about: 'Models that may be used, by name; `*` stands for anything. `null` is every model.',
  }),
  'llm.allowedRegions': setting({
    shape: ofModels.regions,
    fallback: null,
    levels,
    about:
      'Groups of regions in which a provider may work on the data, such as `EU`; `null` is the organisation’s own group only.',
  }),
  'llm.defaultProvider': setting({
    shape: ofModels.provider,
    fallback: null,
    levels: ['tenant', 'agent'],
    about: 'The provider that is used where none is named, by id.',
  }),
  'llm.fallbackProviders': setting({
    shape: ofModels.fallbacks,
    fallback: [],
    levels: ['tenant', 'agent'],
    about: 'Providers that are tried, in this order, when the one that was asked does not answer.',
  }),
  'egress.allowedHosts': setting({
    shape: ofLimits.hosts,
    fallback: null,
    levels,
    narrows: true,
    about: 'Hosts that may be called; `*.example.com` is every host below it. `null` is every public host.',
  }),
  'egress.allowedPorts': setting({
    shape: ofLimits.ports,
    fallback: [443],
    levels,
    about: 'Ports that may be called.',
  }),
  'runs.maxSteps': setting({
    shape: ofLimits.upTo(100_000, 'steps'),
    fallback: 1_000,
    levels,
    narrows: true,
    about: 'Steps after which a run is ended.',
  }),
  'runs.maxMinutes': setting({
    shape: ofLimits.upTo(525_600, 'minutes'),
    fallback: 10_080,
    levels,
    narrows: true,
    about: 'Minutes of work after which a run is ended; waiting for people, or paused, does not count.',
  }),
  'runs.maxTokens': setting({
    shape: ofLimits.upTo(1_000_000_000, 'tokens'),
    fallback: 2_000_000,
    levels,
    narrows: true,
    about: 'Tokens, read and written, after which a run is ended.',
  }),
  'runs.maxDepth': setting({
    shape: ofLimits.upTo(20, 'levels'),
    fallback: 5,
    levels,
    narrows: true,
    about: 'How deep agents may hand over to agents and workflows start workflows.',
  }),
  'runs.maxConcurrent': setting({
    shape: ofLimits.upTo(10_000, 'runs'),
    fallback: 100,
    levels: tenantUp,
    narrows: true,
    about: 'Runs of the organisation that may be under way at once.',
  }),
  'retention.runDays': setting({
    shape: ofRetention.days(1),
    fallback: 90,
    levels: tenantUp,
    about:
      'Days after its end at which a run is deleted, with all that went in and came out; `null` is never.',
  }),
  'retention.memoryDays': setting({
    shape: ofRetention.days(1),
    fallback: 365,
    levels: tenantUp,
    about: 'Days after which an agent forgets what it was told; `null` is never.',
  }),
  'retention.auditDays': setting({
    shape: ofRetention.days(30),
    fallback: 365,
    levels: tenantUp,
    about: 'Days for which the audit trail is kept; `null` is for ever.',
  }),
  'retention.webhookDays': setting({
    shape: ofRetention.days(1),
    fallback: 30,
    levels: tenantUp,
    about: 'Days for which deliveries of webhooks are kept; `null` is for ever.',
  }),
  'retention.sessionDays': setting({
    shape: ofRetention.days(1),
    fallback: 30,
    levels: tenantUp,
    about: 'Days after its end at which a session, with where it was opened, is deleted; `null` is never.',
  }),
  'retention.signInDays': setting({
    shape: ofRetention.days(1),
    fallback: 30,
    levels: tenantUp,
    about:
      'Days for which failed sign-ins, places of signing in and spent password resets are kept; `null` is for ever.',
  }),
  'retention.invitationDays': setting({
    shape: ofRetention.days(1),
    fallback: 365,
    levels: tenantUp,
    about: 'Days after its end at which an invitation is deleted; `null` is never.',
  }),
  'retention.usageDays': setting({
    shape: ofRetention.days(400),
    fallback: 800,
    levels: tenantUp,
    about:
      'Days for which single readings of the meter are kept, at least 400; hourly and daily sums are kept for ever. `null` is for ever.',
  }),
  ...usageSettings,
  'privacy.redact': setting({
    shape: ofPrivacy.places,
    fallback: ['logs'],
    levels,
    about:
      'Where personal data is blackened: in `prompts` to models, in `memory`. In `logs` nothing that people, models or tools said is written for anybody, so naming them, as packs do, changes nothing.',
  }),
  'privacy.detectors': setting({
    shape: ofPrivacy.detectors,
    fallback: [...ofPrivacy.allDetectors],
    levels,
    about: 'What is taken for personal data.',
  }),
  'privacy.terms': setting({
    shape: ofPrivacy.terms,
    fallback: [],
    levels: tenantOnly,
    sensitive: true,
    about: 'Words of the organisation’s own, such as names of projects, that are blackened as well.',
  }),
};

export type SettingKey = keyof typeof settings;
export type SettingValues = { [K in SettingKey]: z.output<(typeof settings)[K]['shape']> };
export type SettingDeclaration = Setting<unknown>;

/** What one level says: only the keys it has set. */
export type SettingDocument = Partial<SettingValues>;

// Object.keys forgets the key type; the object above is closed, so the cast only restores it.
export const settingKeys = Object.keys(settings) as SettingKey[];
export const isSettingKey = (text: string): text is SettingKey => Object.hasOwn(settings, text);
export const declarationOf = (key: SettingKey): SettingDeclaration => settings[key];

/** Any value a key could have; which ones its own shape says. */
export const settingValue = z
  .union([z.boolean(), z.int(), z.string(), z.array(z.union([z.string(), z.int()])), z.null()], {
    error: 'must be what this key takes; docs/settings.md says what that is',
  })
  .meta({ id: 'SettingValue', description: 'What the key takes: docs/settings.md.' });
