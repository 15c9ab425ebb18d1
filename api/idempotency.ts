import type { Request } from 'express';
import { isDuplicate, type Sql, sqlState } from '../models/scope.ts';
import { digest } from '../models/secrets.ts';
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

export type IdempotencyKey = { principal: string; route: string; key: string; bodyDigest: string };

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
  const bodyDigest = digest(
    `${request.originalUrl}\n${typeof request.body === 'string' ? request.body : ''}`,
  );
  return { principal, route, key, bodyDigest };
}

/** The stored answer, or undefined when the key is claimed now and the act is still to be done. */
export async function claim(sql: Sql, asked: IdempotencyKey): Promise<Answer | undefined> {
  await sql(`DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(hours => ${keptHours})`);
  const claimed = await waitForFirst(() =>
    sql(
      `INSERT INTO idempotency_keys (principal, route, key, body_digest) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING RETURNING key`,
      [asked.principal, asked.route, asked.key, asked.bodyDigest],
    ),
  );
  if (claimed.length > 0) return undefined;
  const [stored] = await sql<{
    body_digest: string;
    status: number;
    headers: Record<string, string>;
    body: unknown;
  }>(
    'SELECT body_digest, status, headers, body FROM idempotency_keys WHERE principal = $1 AND route = $2 AND key = $3',
    [asked.principal, asked.route, asked.key],
  );
  if (stored?.body_digest !== asked.bodyDigest) {
    throw new Refusal(
      'idempotency-mismatch',
      'This key was used with another request; take a new key for a new request.',
    );
  }
  return {
    status: stored.status,
    headers: { ...stored.headers, 'Idempotency-Replayed': 'true' },
    unchanged: true,
    ...(stored.body !== null && { body: stored.body }),
  };
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
  await sql(
    `UPDATE idempotency_keys SET status = $4, headers = $5::jsonb, body = $6::json
     WHERE principal = $1 AND route = $2 AND key = $3`,
    [
      asked.principal,
      asked.route,
      asked.key,
      answer.status,
      JSON.stringify(answer.headers ?? {}),
      answer.body === undefined ? null : JSON.stringify(answer.body),
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
  if (['unavailable', 'rate-limited', 'idempotency-mismatch', 'unauthenticated'].includes(thrown.code))
    return;
  try {
    await sql(
      `INSERT INTO idempotency_keys (principal, route, key, body_digest, status, headers, body)
       VALUES ($1, $2, $3, $4, $5, '{"Content-Type":"application/problem+json"}', $6::json)`,
      [
        asked.principal,
        asked.route,
        asked.key,
        asked.bodyDigest,
        statusOf(thrown.code),
        JSON.stringify(problemOf(thrown, requestId, explanation)),
      ],
    );
  } catch (cause) {
    // The key has an answer already, or the first request is still about to give it one; that one stays.
    const { code = '' } = cause instanceof Refusal ? cause : {};
    if (!isDuplicate(cause) && code !== 'unavailable') throw cause;
  }
}
