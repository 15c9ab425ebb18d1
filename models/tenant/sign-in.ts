import { config } from '../databases.ts';
import { schemaOf } from '../ids.ts';
import { keyringOf } from '../keyring.ts';
import { type Place, readInTenant, type Sql } from '../scope.ts';
import { derive, keyedHash } from '../secrets.ts';
import { emailKey } from './email-key.ts';
import { emailIndex, lockPersonRow } from './person.ts';

/**
 * Attempts to prove who one is, counted before they are looked at, so that many at once are counted as many; what
 * succeeds is taken off again. Counted for the account from one place, and for the account from all places it never
 * signed in from: guessing from elsewhere cannot keep the owner out where they are known. Kept under keyed hashes of
 * what was typed, so an address nobody has is counted like any other. Shared by every API process.
 */
const here = { most: 10, minutes: 15 };
const elsewhere = { most: 50, minutes: 60 };

export type Attempt = {
  hereKey: string;
  /** Absent where the person has signed in from before. */
  elsewhereKey?: string;
  /** Seconds until another attempt is looked at; absent when this one is. */
  waitSeconds?: number;
};

export type Person = { userId: string; secret: string; factor: boolean };

const keyed = (text: string) => keyedHash(derive(config().rootKey, 'sign-in'), text);
/** Named by the person, so that places do not tell who shares an address. */
const placeKey = (userId: string, subnet: string) => keyed(`place ${userId} ${subnet}`);

const factorOf = (schema: string) => `EXISTS (
  SELECT FROM ${schema}second_factors f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL) AS factor`;

/** How they prove themselves at this moment, held until the transaction ends; undefined when they may not sign in. */
export async function personNow(sql: Sql, userId: string): Promise<Person | undefined> {
  await lockPersonRow(sql, userId);
  const [row] = await sql<Person>(
    `SELECT u.id AS "userId", i.secret, ${factorOf('')}
     FROM users u JOIN identities i ON i.user_id = u.id AND i.kind = 'password'
     WHERE u.id = $1 AND u.state = 'active'`,
    [userId],
  );
  return row;
}

/** Counts an attempt on an account and reads what it is to be compared with; one round trip, whoever it is about. */
export async function beginAttempt(
  place: Place,
  email: string,
  subnet: string,
): Promise<{ attempt: Attempt; person?: Person }> {
  const key = emailIndex(await keyringOf(place), email);
  const schema = schemaOf(place.tenantId);
  const [people = []] = await readInTenant(place, [
    {
      text: `SELECT u.id, i.secret, p.places, ${factorOf(`${schema}.`)}
             FROM ${schema}.users u JOIN ${schema}.identities i ON i.user_id = u.id AND i.kind = 'password'
               LEFT JOIN LATERAL (SELECT string_agg(place, ' ') AS places FROM ${schema}.sign_in_places WHERE user_id = u.id) p ON true
             WHERE u.email_key = $1 AND u.state = 'active'`,
      values: [key],
    },
  ]);
  const [row] = people;
  const known = String(row?.places ?? '')
    .split(' ')
    .includes(placeKey(String(row?.id), subnet));
  const attempt: Attempt = {
    ...fromHere(place, email, subnet),
    ...(!known && { elsewhereKey: keyed(`elsewhere ${place.tenantId} ${key}`) }),
  };
  const waitSeconds = await count(place, attempt);
  return {
    attempt: { ...attempt, ...(waitSeconds && { waitSeconds }) },
    ...(row && {
      person: { userId: String(row.id), secret: String(row.secret), factor: row.factor === true },
    }),
  };
}

/** What is counted of an account at one place. */
export function fromHere({ tenantId }: Place, email: string, subnet: string): Attempt {
  return { hereKey: keyed(`here ${tenantId} ${emailKey(email)} ${subnet}`) };
}

/** The same counters, for whoever is signed in already and is asked for the password once more. */
export async function countAttempt(place: Place, email: string, subnet: string): Promise<Attempt> {
  const attempt = fromHere(place, email, subnet);
  const waitSeconds = await count(place, attempt);
  return { ...attempt, ...(waitSeconds && { waitSeconds }) };
}

const countSql = (schema: string, minutes: number) =>
  `INSERT INTO ${schema}.sign_in_failures AS f (key, count) VALUES ($1, 1)
   ON CONFLICT (key) DO UPDATE SET
     count = CASE WHEN f.since < now() - make_interval(mins => ${minutes}) THEN 1 ELSE f.count + 1 END,
     since = CASE WHEN f.since < now() - make_interval(mins => ${minutes}) THEN now() ELSE f.since END
   RETURNING count, ceil(extract(epoch FROM since + make_interval(mins => ${minutes}) - now()))::int AS wait`;

async function count(place: Place, { hereKey, elsewhereKey }: Attempt): Promise<number | undefined> {
  const counters = [
    { key: hereKey, ...here },
    ...(elsewhereKey ? [{ key: elsewhereKey, ...elsewhere }] : []),
  ];
  const counted = await readInTenant(
    place,
    counters.map(({ key, minutes }) => ({
      text: countSql(schemaOf(place.tenantId), minutes),
      values: [key],
    })),
  );
  const waits = counters.flatMap(({ most }, at) => {
    const row = counted[at]?.[0];
    return row && Number(row.count) > most ? [Math.max(1, Number(row.wait))] : [];
  });
  return waits.length > 0 ? Math.max(...waits) : undefined;
}

/** It was no failure, or could not be looked at: as if it had not been. */
export async function takeBack(place: Place, { hereKey, elsewhereKey }: Attempt): Promise<void> {
  await readInTenant(place, [
    {
      text: `UPDATE ${schemaOf(place.tenantId)}.sign_in_failures SET count = greatest(count - 1, 0) WHERE key IN ($1, $2)`,
      values: [hereKey, elsewhereKey ?? hereKey],
    },
  ]);
}

/** From now on this is a place the person is known at; what was miscounted here before is forgiven. */
export async function rememberPlace(
  sql: Sql,
  userId: string,
  subnet: string,
  { hereKey, elsewhereKey }: Attempt,
): Promise<void> {
  await sql('DELETE FROM sign_in_failures WHERE key = $1', [hereKey]);
  // Nobody is counted by these any more; one that is just being counted anew is left alone.
  await sql(`DELETE FROM sign_in_failures WHERE key IN (
    SELECT key FROM sign_in_failures WHERE since < now() - make_interval(hours => 24) FOR UPDATE SKIP LOCKED)`);
  if (elsewhereKey)
    await sql('UPDATE sign_in_failures SET count = greatest(count - 1, 0) WHERE key = $1', [elsewhereKey]);
  await sql(
    `INSERT INTO sign_in_places (user_id, place) VALUES ($1, $2) ON CONFLICT (user_id, place) DO UPDATE SET last_at = now()`,
    [userId, placeKey(userId, subnet)],
  );
  await sql(
    `DELETE FROM sign_in_places WHERE user_id = $1 AND place NOT IN (
       SELECT place FROM sign_in_places WHERE user_id = $1 ORDER BY last_at DESC LIMIT ${placesMax})`,
    [userId],
  );
}

const placesMax = 20;

/** Mails with a way to a new password, an account an hour; the asker is not told when there are no more. */
const resets = { most: 5, minutes: 60 };

export async function mayReset(place: Place, userId: string): Promise<boolean> {
  const [rows] = await readInTenant(place, [
    { text: countSql(schemaOf(place.tenantId), resets.minutes), values: [keyed(`reset ${userId}`)] },
  ]);
  return Number(rows?.[0]?.count) <= resets.most;
}
