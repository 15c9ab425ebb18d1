import assert from 'node:assert/strict';
import { inTenant, type Sql } from '../../models/scope.ts';
import { type Caller, callerOf, type Reply } from './client.ts';
import { placed } from './people.ts';

/** API keys as the tests make, use and change them, and what may be changed past the API. */
export type Key = {
  id: string;
  name: string;
  kind: string;
  ownerId: string | null;
  createdBy: string;
  roles: string[] | null;
  prefix: string;
  state: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
  previousUntil: string | null;
  version: number;
};
export type Made = Key & { token: string };
export type KeyProblem = { code: string; detail: string; errors?: { pointer: string }[] };

export const asking = <T = Made>(who: Caller, body: object) => who.call<T>('POST', '/v1/api-keys', body);

/** The key as it was shown, and a caller with its token. A key of the maker's own unless the body says otherwise. */
export async function made(who: Caller, body: object = {}): Promise<Made & Caller> {
  const reply = await asking(who, { name: 'Nightly', kind: 'user', ...body });
  assert.equal(reply.status, 201, reply.text);
  return { ...reply.body, ...callerOf(reply.body.token) };
}

export const service = (who: Caller, ...roles: string[]) => made(who, { kind: 'service', roles });

export const rotated = (who: Caller, { id }: Key, body: object = {}) =>
  who.call<Made>('POST', `/v1/api-keys/${id}/rotation`, body);

export const shown = async (who: Caller, { id }: Key) =>
  (await who.call<Key>('GET', `/v1/api-keys/${id}`)).body;

export async function status(who: Caller, method: string, path: string, body?: object): Promise<number> {
  return (await who.call(method, path, body)).status;
}

/** What a key can do is seen by what it is answered. */
export const reads = (key: Caller) => status(key, 'GET', '/v1/agents');
let agents = 0;
export const writes = (key: Caller) =>
  status(key, 'POST', '/v1/agents', { name: `written-${agents++}`, model: 'demo' });

export function assertRefused(reply: Reply<unknown>, expected: number, words: RegExp): void {
  assert.equal(reply.status, expected, reply.text);
  assert.match((reply.body as KeyProblem).detail, words);
}

export async function within<T>(tenantId: string, act: (sql: Sql) => Promise<T>): Promise<T> {
  return inTenant(await placed(tenantId), ({ sql }) => act(sql));
}
