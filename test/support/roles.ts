import assert from 'node:assert/strict';
import type { Reply } from './client.ts';
import { type KeyHolder, signedInPerson } from './people.ts';
import { freshSlug, type Member } from './tenants.ts';

/** Making roles, giving them and seeing what comes of it, through the API. */
export type Rule = Record<string, unknown>;
export type Refused = {
  code: string;
  detail: string;
  missing?: string[];
  errors?: { pointer: string; detail: string }[];
};
type Change = {
  action: string;
  subject: string;
  gained?: { count: number; sample: string[] };
  lost?: { count: number; sample: string[] };
  hides?: string[];
};
export type Preview = { affected: { id: string; name: string; changes: Change[] }[]; further: number };

export const allow = (action: string, more: object = {}): Rule => ({
  effect: 'allow',
  action,
  subject: 'Agent',
  ...more,
});
export const deny = (action: string, more: object = {}): Rule => ({ ...allow(action, more), effect: 'deny' });
export const inTest = { environment: { any: ['development', 'staging'] } };

type Asking = Pick<Member, 'call'>;

export const give = (
  as: Asking,
  userId: string,
  role: string,
  query = '',
): Promise<Reply<Preview & Refused>> =>
  as.call<Preview & Refused>('PUT', `/v1/users/${userId}/roles/${role}${query}`);

export const take = (as: Asking, userId: string, role: string): Promise<Reply<Refused>> =>
  as.call<Refused>('DELETE', `/v1/users/${userId}/roles/${role}`);

export async function madeRole(as: Asking, rules: Rule[]): Promise<string> {
  const name = freshSlug('role');
  const reply = await as.call('POST', '/v1/roles', { name, title: 'A role', rules });
  assert.equal(reply.status, 201, reply.text);
  return name;
}

/** A new person of the tenant, who was given these roles by somebody. */
export async function personWith(by: Member, ...roles: string[]): Promise<KeyHolder> {
  const someone = await signedInPerson(by.tenant.id);
  for (const role of roles) assert.equal((await give(by, someone.id, role)).status, 200);
  return someone;
}

export async function madeAgent(as: Asking, more: object = {}): Promise<string> {
  const body = { name: freshSlug('agent'), model: 'demo', ...more };
  const reply = await as.call<{ id: string }>('POST', '/v1/agents', body);
  assert.equal(reply.status, 201, reply.text);
  return reply.body.id;
}

export async function listedAgents(as: Asking): Promise<string[]> {
  const { body } = await as.call<{ items: { id: string }[] }>('GET', '/v1/agents?limit=200');
  return body.items.map((each) => each.id);
}
