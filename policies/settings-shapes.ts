import { z } from 'zod';
import { idPattern } from '../models/ids.ts';

/** The shapes of settings. Each says in a sentence what to write instead of what is not acceptable. */
const list = <T>(item: z.ZodType<T>, max: number, least = 0) =>
  z
    .array(item, 'must be a list')
    .min(least, `must name at least ${least}`)
    .max(max, `must name at most ${max}`)
    .refine((all) => new Set(all.map(String)).size === all.length, 'must not name one twice');

const text = (pattern: RegExp, sentence: string) =>
  z.string(sentence).max(253, sentence).regex(pattern, sentence);
const orEverything = 'or null for everything';

const whole = (min: number, max: number, what: string) => {
  const sentence = `must be a whole number of ${what} from ${min} to ${max}`;
  return z.int(sentence).min(min, sentence).max(max, sentence);
};

const provider = text(idPattern('llm'), 'must be the id of a model provider, llm_…');

export const ofModels = {
  providers: list(
    text(/^[a-z][a-z0-9-]{0,39}$/, `must be a kind of provider such as openai, ${orEverything}`),
    50,
  ).nullable(),
  models: list(
    text(/^[\w.:/@*-]{1,120}$/, `must be the name of a model, with * for anything, ${orEverything}`),
    200,
  ).nullable(),
  regions: list(
    text(/^[A-Za-z][\w-]{0,31}$/, 'must be a group of regions such as EU, or null for one’s own'),
    20,
    1,
  ).nullable(),
  provider: provider.nullable(),
  fallbacks: list(provider, 10),
};

const host = text(
  /^(\*\.)?(?=.*[a-z])([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
  'must be a host such as api.example.com, or *.example.com for those below it, in lower case',
);

export const ofLimits = {
  hosts: list(host, 500).nullable(),
  ports: list(whole(1, 65_535, 'a port'), 50),
  upTo: (max: number, what: string) => whole(1, max, what),
};

/** A hundred years is for ever; null says it. */
const daysMax = 36_500;

export const ofRetention = {
  days: (least: number) => whole(least, daysMax, 'days').nullable(),
};

const allDetectors = ['email', 'phone', 'iban', 'card', 'ssn', 'ip'] as const;
export type Detector = (typeof allDetectors)[number];
const places = ['prompts', 'logs', 'memory'] as const;

export const ofPrivacy = {
  allDetectors,
  detectors: list(z.enum(allDetectors, `must be one of ${allDetectors.join(', ')}`), allDetectors.length),
  places: list(z.enum(places, `must be one of ${places.join(', ')}`), places.length),
  terms: list(z.string('must be a text').trim().min(3, 'must have at least 3 characters').max(100), 200),
};

const abuseRules = ['spike', 'key-places', 'key-refusals'] as const;
export type AbuseRule = (typeof abuseRules)[number];
const abuseMeasures = ['slow', 'refuse'] as const;
export type AbuseMeasure = (typeof abuseMeasures)[number];

export const ofUsage = {
  allRules: abuseRules,
  rules: list(z.enum(abuseRules, `must be one of ${abuseRules.join(', ')}`), abuseRules.length),
  measure: z.enum(abuseMeasures, `must be one of ${abuseMeasures.join(', ')}`),
};
