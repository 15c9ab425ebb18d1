import {
  abuseFactor,
  type Found,
  type HourOf,
  leaks,
  type Places,
  probes,
  type Refusals,
  type Rules,
  spikeMeters,
  spikes,
} from '../../policies/abuse.ts';
import { metersOf } from '../../policies/quotas.ts';
import { type Settings, settingsFrom } from '../../policies/setting-inheritance.ts';
import { newId } from '../ids.ts';
import { keyringWithin } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { tellOfLimits } from './limit-news.ts';
import { sourcesIn } from './settings.ts';
import { announceRestrictions, knownRestrictions, takeRestrictionTurn } from './usage-restriction.ts';
import { begin, changesAtOnce } from './usage-restriction-watch.ts';

/**
 * Looks for what looks like abuse in this hour, and restricts it for a time; says how much it found that was not known. What
 * is more than so many is found again, and restricted, when it looks next.
 */
export async function watchAbuse(sql: Sql, now: Date = new Date(), most = changesAtOnce): Promise<number> {
  const settings = settingsFrom(await sourcesIn(sql, undefined, () => keyringWithin(sql)));
  const rules = rulesOf(settings);
  if (rules.rules.length === 0) return 0;
  const found = [
    ...spikes(rules, await hoursOf(sql, rules, now)),
    ...leaks(rules, await placesOf(sql, rules, now)),
    ...probes(rules, await refusalsOf(sql, rules, now)),
  ];
  if (found.length === 0) return 0;
  await takeRestrictionTurn(sql);
  const known = new Set((await knownRestrictions(sql)).map(({ key }) => key));
  const fresh = found.filter((each) => !known.has(keyOf(each))).slice(0, most);
  const begun = fresh.map((each) => madeOf(each, settings, now));
  for (const each of begun) await begin(sql, each);
  if (begun.length > 0) await announceRestrictions(sql);
  await tellOfLimits(sql, { begun });
  return fresh.length;
}

function rulesOf(settings: Settings): Rules {
  return {
    rules: settings.get('usage.abuseRules'),
    spikeFactor: settings.get('usage.spikeFactor'),
    spikeLeast: {
      'api-calls': settings.get('usage.spikeRequests'),
      runs: settings.get('usage.spikeRuns'),
      tokens: settings.get('usage.spikeTokens'),
    },
    keyNetworks: settings.get('usage.keyNetworks'),
    keyRefusals: settings.get('usage.keyRefusals'),
  };
}

const keyOf = ({ rule, scope, scopeId }: Found): string => `${rule} ${scope} ${scopeId}`;

function madeOf(found: Found, settings: Settings, now: Date) {
  const { rule, scope, scopeId, used, limit, meter } = found;
  const measure = settings.get('usage.abuseMeasure');
  return {
    id: newId('rsn'),
    key: keyOf(found),
    scope,
    scopeId,
    measure,
    cause: rule,
    madeBy: 'tenant' as const,
    quotaId: null,
    data: { used, limit, ...(meter && { meter }), ...(measure === 'slow' && { factor: abuseFactor }) },
    since: now,
    until: new Date(now.getTime() + settings.get('usage.abuseMinutes') * 60_000),
  };
}

/** Whose: what a key did counts for the key, not for the person it belongs to as well. */
const suspects = `CROSS JOIN LATERAL (VALUES ('key', s.key_id), ('agent', s.agent_id), ('user', CASE WHEN s.key_id = '' THEN s.user_id ELSE '' END))
  AS w(scope, scope_id)`;
/** What Freehold measured itself: whoever may report usage could have anybody found, by naming them. */
const measured = 'usage_hours h JOIN usage_series s ON s.id = h.series AND NOT s.reported';
// Of the same time of day, and an hour to either side, for nobody is so punctual.
const daysBefore = 14;

async function hoursOf(sql: Sql, { spikeLeast }: Rules, now: Date): Promise<HourOf[]> {
  const counted = spikeMeters.flatMap((meter) =>
    metersOf(meter).map((name) => ({ name, meter, least: spikeLeast[meter] })),
  );
  const rows = await sql<Omit<HourOf, 'scopeId'> & { scope_id: string }>(
    `WITH counted AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS c(name text, meter text, least numeric)),
     suspect AS (
       SELECT c.meter, w.scope, w.scope_id, sum(h.value) AS used
       FROM ${measured} JOIN counted c ON c.name = s.meter ${suspects}
       WHERE h.hour = date_bin('1 hour', $2::timestamptz, 'epoch') AND w.scope_id <> ''
       GROUP BY 1, 2, 3 HAVING sum(h.value) > max(c.least)),
     earlier AS (
       SELECT c.meter, w.scope, w.scope_id, h.hour, sum(h.value) AS used
       FROM ${measured} JOIN counted c ON c.name = s.meter ${suspects}
       JOIN suspect p ON p.meter = c.meter AND p.scope = w.scope AND p.scope_id = w.scope_id
       WHERE h.hour = ANY (SELECT date_bin('1 hour', $2::timestamptz, 'epoch') - make_interval(days => d, hours => o)
         FROM generate_series(1, ${daysBefore}) AS d, generate_series(-1, 1) AS o)
       GROUP BY 1, 2, 3, 4)
     SELECT p.meter, p.scope, p.scope_id, p.used::float8 AS used, coalesce(max(e.used), 0)::float8 AS usual,
       count(DISTINCT e.hour::date)::int AS "daysSeen"
     FROM suspect p LEFT JOIN earlier e USING (meter, scope, scope_id) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3`,
    [JSON.stringify(counted), now],
  );
  return rows.map(({ scope_id: scopeId, ...row }) => ({ ...row, scopeId }));
}

async function placesOf(sql: Sql, { keyNetworks }: Rules, now: Date): Promise<Places[]> {
  return sql<Places>(
    `WITH hours AS (SELECT key_id, hour, count(*)::int AS networks FROM key_networks WHERE hour > $1::timestamptz - interval '7 days' GROUP BY 1, 2)
     SELECT h.key_id AS "keyId", h.networks,
       coalesce((SELECT max(b.networks) FROM hours b WHERE b.key_id = h.key_id AND b.hour < h.hour), 0) AS most
     FROM hours h WHERE h.hour = date_bin('1 hour', $1::timestamptz, 'epoch') AND h.networks > $2 ORDER BY 1`,
    [now, keyNetworks],
  );
}

/** What a restriction or a limit refuses is no sign of anything: it would only make itself longer. */
async function refusalsOf(sql: Sql, { keyRefusals }: Rules, now: Date): Promise<Refusals[]> {
  return sql<Refusals>(
    `SELECT actor ->> 'id' AS "keyId", count(*)::int AS refusals FROM audit_events
     WHERE outcome = 'refused' AND at > $1::timestamptz - interval '1 hour' AND actor ->> 'kind' = 'api-key'
       AND coalesce(details ->> 'code', '') NOT IN ('restricted', 'quota-exceeded')
     GROUP BY 1 HAVING count(*) > $2 ORDER BY 1`,
    [now, keyRefusals],
  );
}
