import type { Request } from 'express';
import { config } from '../models/databases.ts';
import { keyringWithin } from '../models/keyring.ts';
import { isDuplicate, placeWithin, type Sql, sqlState } from '../models/scope.ts';
import { derive, keyedHash } from '../models/secrets.ts';
import { Refusal } from '../policies/refusal.ts';
import { problemOf, statusOf } from './errors.ts';
import type { Answer } from './route.ts';

/**
 * A POST with an Idempotency-Key is carried out once: the answer is stored in the transaction of its effect, and
 * the same key gets it again for 24 hours. Refusals met while carrying it out are stored as well. A second request
 * that comes while the first still runs waits for it on the row. The key belongs to one principal and one route.
 */
const keptHours = 24;
const keyLengthMax = 200;

export type IdempotencyKey = { principal: string; route: string; key: string; request: string };

export function idempotencyKeyOf(
  request: Request,
  principal: string,
  route: string,
): IdempotencyKey | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined || request.method !== 'POST') return undefined;
  if (typeof key !== 'string' || key.length === 0 || key.length > keyLengthMax) {
    throw new Refusal('invalid-request', `Idempotency-Key takes 1 to ${keyLengthMax} characters.`);
  }
  const body = typeof request.body === 'string' ? request.body : '';
  return { principal, route, key, request: `${request.originalUrl}\n${body}` };
}

/** Requests hold secrets: from a plain digest whoever sees the table could find out a short one by trying. */
async function digestOf(sql: Sql, { request }: IdempotencyKey): Promise<string> {
  if (placeWithin(sql)) return (await keyringWithin(sql)).blindIndex('idempotency_keys.body_digest', request);
  return keyedHash(derive(config().rootKey, 'idempotency'), request);
}

/** The stored answer, or undefined when the key is claimed now and the act is still to be done. */
export async function claim(sql: Sql, asked: IdempotencyKey): Promise<Answer | undefined> {
  await sql(`DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(hours => ${keptHours})`);
  const digest = await digestOf(sql, asked);
  const claimed = await waitForFirst(() =>
    sql(
      `INSERT INTO idempotency_keys (principal, route, key, body_digest) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING RETURNING key`,
      [asked.principal, asked.route, asked.key, digest],
    ),
  );
  if (claimed.length > 0) return undefined;
  const [stored] = await sql<Stored>(
    `SELECT body_digest, status, headers, ${placeWithin(sql) ? 'sealed_body' : 'body'} AS body
     FROM idempotency_keys WHERE principal = $1 AND route = $2 AND key = $3`,
    [asked.principal, asked.route, asked.key],
  );
  if (stored?.body_digest !== digest) {
    throw new Refusal(
      'idempotency-mismatch',
      'This key was used with another request; take a new key for a new request.',
    );
  }
  return {
    status: stored.status,
    headers: { ...stored.headers, 'Idempotency-Replayed': 'true' },
    unchanged: true,
    ...(stored.body !== null && { body: await openBody(sql, asked, stored.body) }),
  };
}

type Stored = {
  body_digest: string;
  status: number;
  headers: Record<string, string>;
  body: Buffer | object | null;
};

/** An answer to a tenant's request tells of people, so it is kept sealed; one about the shared tables never does. */
const column = 'idempotency_keys.sealed_body';
const rowOf = ({ principal, route, key }: IdempotencyKey) => `${principal} ${route} ${key}`;

async function openBody(sql: Sql, asked: IdempotencyKey, body: Buffer | object): Promise<unknown> {
  if (!Buffer.isBuffer(body)) return body;
  return JSON.parse((await keyringWithin(sql)).open(column, rowOf(asked), body));
}

/** The column a body is kept in, and what is kept. */
async function keptBody(sql: Sql, asked: IdempotencyKey, body: unknown) {
  const text = body === undefined ? null : JSON.stringify(body);
  if (!placeWithin(sql)) return { column: 'body', type: 'json', value: text };
  const value = text === null ? null : (await keyringWithin(sql)).seal(column, rowOf(asked), text);
  return { column: 'sealed_body', type: 'bytea', value };
}

async function waitForFirst<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (sqlState(cause) !== '55P03') throw cause;
    throw new Refusal(
      'unavailable',
      'The first request with this Idempotency-Key is still being carried out.',
      {
        cause,
        retryAfterSeconds: 5,
      },
    );
  }
}

export async function remember(sql: Sql, asked: IdempotencyKey, answer: Answer): Promise<void> {
  const body = await keptBody(sql, asked, answer.body);
  await sql(
    `UPDATE idempotency_keys SET status = $4, headers = $5::jsonb, ${body.column} = $6::${body.type}
     WHERE principal = $1 AND route = $2 AND key = $3`,
    [
      asked.principal,
      asked.route,
      asked.key,
      answer.status,
      JSON.stringify(answer.headers ?? {}),
      body.value,
    ],
  );
}

/** A refusal undid the transaction and with it the claim; it is stored by itself. What may pass by itself is not. */
export async function rememberRefusal(
  sql: Sql,
  asked: IdempotencyKey,
  thrown: unknown,
  { requestId, explanation }: { requestId: string; explanation?: string | undefined },
): Promise<void> {
  if (!(thrown instanceof Refusal)) return;
  if (
    ['unavailable', 'key-unusable', 'rate-limited', 'idempotency-mismatch', 'unauthenticated'].includes(
      thrown.code,
    )
  )
    return;
  const body = await keptBody(sql, asked, problemOf(thrown, requestId, explanation));
  const digest = await digestOf(sql, asked);
  try {
    await sql(
      `INSERT INTO idempotency_keys (principal, route, key, body_digest, status, headers, ${body.column})
       VALUES ($1, $2, $3, $4, $5, '{"Content-Type":"application/problem+json"}', $6::${body.type})`,
      [asked.principal, asked.route, asked.key, digest, statusOf(thrown.code), body.value],
    );
  } catch (cause) {
    // The key has an answer already, or the first request is still about to give it one; that one stays.
    const { code = '' } = cause instanceof Refusal ? cause : {};
    if (!isDuplicate(cause) && code !== 'unavailable') throw cause;
  }
}
