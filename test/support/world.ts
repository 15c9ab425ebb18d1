import { newId } from '../../models/ids.ts';
import { signedInPerson } from './people.ts';
import { freshSlug, type Member } from './tenants.ts';

/** Two tenants with one object of each kind in each, so that every path has something to name. */
export type World = { acme: Member; globex: Member; ids: { acme: Ids; globex: Ids } };

/** One object of each kind that a path can name. */
export type Ids = {
  sessionId: string;
  agentId: string;
  userId: string;
  role: string;
  dutySeparationId: string;
  requestId: string;
  keyId: string;
  invitationId: string;
};

export async function worldOf(acme: Member, globex: Member): Promise<World> {
  return { acme, globex, ids: { acme: await filled(acme), globex: await filled(globex) } };
}

async function filled(as: Member): Promise<Ids> {
  const { id: userId } = await signedInPerson(as.tenant.id, 'viewer');
  const role = freshSlug('role');
  const agent = await made(as, '/v1/agents', { name: freshSlug('agent'), model: 'demo' });
  const rules = [{ effect: 'allow', action: 'read', subject: 'Agent' }];
  await made(as, '/v1/roles', { name: role, title: 'A role', rules });
  const separation = await made(as, '/v1/duty-separations', { name: role, roles: ['billing', role] });
  const { headers } = await as.call('GET', `/v1/agents/${newId('agt')}`);
  const requestId = String(headers['x-request-id']);
  const key = await made(as, '/v1/api-keys', { name: 'Nightly', kind: 'service', roles: ['viewer'] });
  const email = `guest@${as.tenant.slug}.example`;
  const { id: invitationId } = await made(as, '/v1/invitations', { email, roles: ['viewer'] });
  const dutySeparationId = separation.id;
  const { body } = await as.call<{ items: { id: string }[] }>('GET', `/v1/users/${userId}/sessions`);
  const sessionId = body.items[0]?.id ?? '';
  const others = { dutySeparationId, requestId, keyId: key.id, invitationId, sessionId };
  return { agentId: agent.id, userId, role, ...others };
}

async function made(as: Member, path: string, body: object): Promise<{ id: string }> {
  const reply = await as.call<{ id: string }>('POST', path, body);
  if (reply.status !== 201) throw new Error(`${path} answered ${reply.status}: ${reply.text}`);
  return reply.body;
}
