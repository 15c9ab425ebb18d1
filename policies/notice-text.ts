import { limitInWords, momentInWords, numberInWords, type SaidLimit, whoseInWords } from './limit-words.ts';
import { enforcementOf } from './quota-rules.ts';
import type { QuotaScope } from './quotas.ts';
import {
  effectInWords,
  measureInWords,
  type RestrictionNotice,
  restrictionOf,
} from './restriction-notice.ts';
import { reasonOf, whatToDo } from './restriction-words.ts';
import type { Measure } from './usage-ladder.ts';

/**
 * What a notice says, in the console and by mail: what, how much of how much, what happens now and until when, when it will
 * be reached, by what, and what can be done. Pure, and plain text: names of agents, keys and people are all that comes from
 * the organisation.
 */
type Consumers = Record<'agents' | 'principals' | 'models', { name: string; used: number }[]> & {
  unnamed: number;
};

export type Limit = SaidLimit & { scope: QuotaScope | 'user'; scopeName: string };

export type LimitFacts = Limit & {
  quotaId: string;
  zone: string;
  /** Null where no threshold was crossed, but something is restricted. */
  threshold: number | null;
  used: number;
  resetsAt: Date | null;
  exhaustedAt: Date | null;
  /** Of a hard one what would use more is refused; undefined where the limit is no more. */
  hard?: boolean | undefined;
  restrictions: RestrictionNotice[];
  top?: Consumers | undefined;
  /** What the plan that gives more is called and costs; undefined where there is none, or it is no limit of the plan. */
  upgrade?: { title: string; amount: number | null; price: string } | undefined;
  /** Whether more can be asked for: of limits that are not the organisation's own. */
  askable: boolean;
};

export type Text = { subject: string; text: string };

export const limitText = (limit: Limit): string =>
  `${limitInWords(limit)}${whoseInWords(limit.scope, limit.scopeName)}`;

export function limitNoticeText(facts: LimitFacts): Text {
  const { threshold, used, amount, resetsAt, zone, restrictions } = facts;
  const limit = limitText(facts);
  const asked = threshold === null ? '' : `, of which people are told at ${threshold} %`;
  const lines = [
    `${numberInWords(used)} of ${limit} are used${asked}.`,
    whenText(facts),
    ...(resetsAt ? [`Its window turns on ${momentInWords(resetsAt, zone)}.`] : []),
    '',
    ...happensText(facts),
    ...topText(facts.top),
    'What you can do:',
    ...optionsText(facts),
  ];
  const [hardest] = restrictions;
  const begins = hardest && hardest.measure !== 'warn' ? `; ${measureInWords[hardest.measure]}` : '';
  const what =
    used >= amount
      ? 'A limit is reached'
      : threshold === null
        ? 'A limit is near'
        : `${threshold} % of a limit is used`;
  return { subject: `${what}: ${limit}${begins}`, text: lines.join('\n') };
}

function whenText({ used, amount, hard, exhaustedAt, zone }: LimitFacts): string {
  if (used < amount)
    return exhaustedAt
      ? `If use goes on as it did, the limit is reached on ${momentInWords(exhaustedAt, zone)}.`
      : 'If use goes on as it did, the limit is not reached in this window.';
  if (hard === undefined) return 'The limit is reached now.';
  return hard
    ? 'The limit is reached now: what would use more of it is refused.'
    : 'The limit is reached now. It is a soft one, so by itself it refuses nothing.';
}

function happensText({ restrictions, zone }: LimitFacts): string[] {
  if (restrictions.length === 0) return [];
  const until = (moment: string | null) =>
    moment === null ? 'until less of it is used' : `until ${momentInWords(new Date(moment), zone)}`;
  const said = restrictions.map((each) => `- ${effectInWords(each)}, ${until(each.until)}.`);
  return ['What happens now:', ...new Set(said), ''];
}

function topText(top: Consumers | undefined): string[] {
  const lists = [
    ['agents', top?.agents ?? []],
    ['people and keys', top?.principals ?? []],
    ['models', top?.models ?? []],
  ] as const;
  const said = lists
    .filter(([, list]) => list.length > 0)
    .map(
      ([of, list]) =>
        `- ${of}: ${list.map(({ name, used }) => `${name} (${numberInWords(used)})`).join(', ')}`,
    );
  if (top && top.unnamed > 0)
    said.push(`- no agent, as what is reported from outside without one: ${numberInWords(top.unnamed)}`);
  return said.length > 0 ? ['Most of it is used by:', ...said, ''] : [];
}

function optionsText({ upgrade, askable, restrictions, ...limit }: LimitFacts): string[] {
  // What a hard limit refuses anyway, it goes on refusing when nothing else does.
  const refuses = limit.hard && limit.used >= limit.amount && enforcementOf(limit.meter) === 'before';
  const vain: readonly Measure[] = refuses ? ['warn', 'queue', 'refuse'] : ['warn'];
  const own = restrictions.filter(({ madeBy, measure }) => madeBy === 'tenant' && !vain.includes(measure));
  return [
    '- Use less: begin with what uses most. GET /v1/usage tells more.',
    ...(askable
      ? [
          '- Ask for more, also for a time only: POST /v1/quota-requests; with ?dryRun=true it tells the price first.',
        ]
      : [`- It is a limit of your own; PATCH /v1/quotas/${limit.quotaId} changes it.`]),
    ...(upgrade
      ? [
          `- Upgrade to ${upgrade.title}: ${upgrade.amount === null ? 'no limit on this' : limitInWords({ ...limit, amount: upgrade.amount })}, for ${upgrade.price} a month.`,
        ]
      : []),
    ...own.map(
      ({ measure, restrictionId }) =>
        `- Lift what your own ladder does (${measureInWords[measure]}): DELETE /v1/usage-restrictions/${restrictionId}`,
    ),
  ];
}

export type OverFacts = Limit & {
  used: number;
  /** Null where only what was restricted is over. */
  why: 'window-turned' | 'raised' | 'fell' | null;
  restrictions: RestrictionNotice[];
};

const reasons = {
  'window-turned': 'Its window turned, and counting began anew.',
  raised: 'It was raised.',
  fell: 'Less of it is used now.',
};

export function overText(facts: OverFacts): Text {
  const { why, used, restrictions } = facts;
  const limit = limitText(facts);
  const said = restrictions.map(({ measure }) => `- ${measureInWords[measure]}`);
  const lines = [
    ...(why
      ? [
          `What we told you of this limit is over. ${reasons[why]}`,
          `${numberInWords(used)} of ${limit} are used.`,
        ]
      : [`What was restricted because of the limit of ${limit} is over.`]),
    ...(said.length > 0 ? ['', 'No longer:', ...new Set(said)] : []),
  ];
  return { subject: `No longer ${why ? 'near the limit' : 'restricted'}: ${limit}`, text: lines.join('\n') };
}

/** What looked like abuse is about somebody, and about no limit. */
export type AbuseFacts = { restrictions: RestrictionNotice[]; scopeName: string };

export function abuseText(told: 'begun' | 'ended', { restrictions, scopeName }: AbuseFacts): Text {
  const all = restrictions.map(restrictionOf);
  const names = Object.fromEntries(all.map(({ scopeId }) => [scopeId, scopeName]));
  const reasonsFor = all.map((each) => reasonOf(each, names));
  const measures = [...new Set(all.map(({ measure }) => measureInWords[measure]))].join(', ');
  const whose = all[0] ? whoseInWords(all[0].scope, scopeName) : '';
  if (told === 'ended')
    return {
      subject: `No longer restricted: ${measures}${whose}`,
      text: ['What we told you is over. It was:', ...reasonsFor].join('\n'),
    };
  const todo = all.flatMap((each) => [
    `What you can do: ${whatToDo(each)}`,
    `GET /v1/usage-restrictions/${each.id} tells how it stands.`,
  ]);
  return { subject: `Restricted: ${measures}${whose}`, text: [...reasonsFor, '', ...todo].join('\n') };
}
