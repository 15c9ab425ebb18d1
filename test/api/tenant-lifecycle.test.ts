import assert from 'node:assert/strict';
import { cellAdministrator } from '../../models/databases.ts';
import type { Place } from '../../models/scope.ts';
import { type Caller, callerOf, operator, type Reply } from '../support/client.ts';
import { keyHolder, placed, useSharedModels } from '../support/people.ts';
import {
  asked,
  follow,
  freshSlug,
  type Member,
  member,
  onboard,
  password,
  type Shown,
} from '../support/tenants.ts';
import { trailOf } from '../support/trail.ts';

type Problem = { code: string; detail: string; operation?: { id: string; kind: string } };
type Preview = { would: Record<string, unknown> };
type Answer = Shown & Problem & Preview & { stateReason: string | null; tombstone: unknown };

before(useSharedModels);

const act = (method: string, path: string, body?: unknown, headers = {}): Promise<Reply<Answer>> =>
  operator().call<Answer>(method, path, body, headers);

async function done(reply: Reply<Answer>, state = 'succeeded'): Promise<string> {
  assert.equal(reply.status, 202, reply.text);
  assert.equal(reply.headers.location, reply.body.operation.href);
  assert.equal((await follow(reply.body.operation.id)).state, state);
  return reply.body.operation.id;
}

const suspension = (id: string) => `/v1/tenants/${id}/suspension`;
const suspend = async (id: string) => done(await act('PUT', suspension(id), { reason: 'unpaid invoices' }));
const shown = async (id: string) => (await act('GET', `/v1/tenants/${id}`)).body;

const signIn = ({ email, tenant }: Member, as: Caller = callerOf()) =>
  as.call<Problem & { token: string }>(
    'POST',
    '/v1/sessions',
    { email, password },
    { 'x-tenant': tenant.slug },
  );

describe('suspending a tenant', () => {
  it('R1.4 wants a reason', async () => {
    const { tenant } = await member();
    assert.equal((await act('PUT', suspension(tenant.id), {})).status, 400);
    assert.equal((await act('PUT', suspension(tenant.id), { reason: ' ' })).status, 400);
    assert.equal((await shown(tenant.id)).state, 'active');
  });

  it('R1.4 ends its sessions and refuses its keys and sign-ins until it is reactivated; the data stays', async () => {
    const acme = await member();
    const { id } = acme.tenant;
    const key = await keyHolder(id, 'owner');
    const agent = await acme.call<{ id: string }>('POST', '/v1/agents', { name: 'kept', model: 'demo' });

    const dry = await act('PUT', `${suspension(id)}?dryRun=true`, { reason: 'to see' });
    assert.equal(dry.body.would.endSessions, 1);
    assert.equal((await acme.call('GET', '/v1/me')).status, 200);

    await suspend(id);
    assert.equal((await shown(id)).state, 'suspended');
    assert.equal((await shown(id)).stateReason, 'unpaid invoices');
    assert.equal((await acme.call('GET', '/v1/me')).status, 401);
    const byKey = await key.call<Problem>('GET', '/v1/agents');
    assert.equal(byKey.status, 403);
    assert.equal(byKey.body.code, 'tenant-suspended');
    const signingIn = await signIn(acme);
    assert.equal(signingIn.status, 403);
    assert.equal(signingIn.body.code, 'tenant-suspended');

    await done(await act('DELETE', suspension(id)));
    assert.equal((await shown(id)).state, 'active');
    assert.equal((await shown(id)).stateReason, null);
    assert.equal((await acme.call('GET', '/v1/me')).status, 401, 'an ended session stays ended');
    assert.equal((await key.call('GET', `/v1/agents/${agent.body.id}`)).status, 200);
    assert.equal((await signIn(acme)).status, 201);
  });

  it('R1.4 is refused when the tenant is not in the state for it', async () => {
    const { tenant } = await member();
    const notSuspended = await act('DELETE', suspension(tenant.id));
    assert.equal(notSuspended.status, 409);
    assert.match(notSuspended.body.detail, /is active; this needs it to be suspended/);
    await suspend(tenant.id);
    assert.equal((await act('PUT', suspension(tenant.id), { reason: 'again' })).status, 409);
  });

  it('R1.4 is refused when the tenant is no longer as the operator saw it', async () => {
    const { tenant } = await member();
    const { version } = await shown(tenant.id);
    for (const [method, path, body] of [
      ['PUT', suspension(tenant.id), { reason: 'seen long ago' }],
      ['DELETE', `/v1/tenants/${tenant.id}?graceSeconds=1`, undefined],
    ] as const) {
      const stale = await act(method, path, body, { 'if-match': `"${version - 1}"` });
      assert.equal(stale.status, 412, path);
    }
    assert.equal((await shown(tenant.id)).state, 'active');
    await done(
      await act('PUT', suspension(tenant.id), { reason: 'as seen' }, { 'if-match': `"${version}"` }),
    );
  });
});

describe('a second operation', () => {
  it('R1.4 is refused while the first runs, and told which that is', async () => {
    const { tenant } = await member();
    const path = `/v1/tenants/${tenant.id}`;
    const first = await act('DELETE', `${path}?graceSeconds=3600`);
    assert.equal(first.status, 202);
    for (const reply of [
      await act('DELETE', path),
      await act('PUT', suspension(tenant.id), { reason: 'too' }),
    ]) {
      assert.equal(reply.status, 409);
      assert.equal(reply.body.code, 'operation-running');
      assert.equal(reply.body.operation.id, first.body.operation.id);
      assert.equal(reply.body.operation.kind, 'delete-tenant');
    }
  });

  it('R1.4 of two asked for at once, one begins', async () => {
    const { tenant } = await member();
    const replies = await Promise.all(
      Array.from({ length: 6 }, () => act('PUT', suspension(tenant.id), { reason: 'race' })),
    );
    assert.deepEqual(replies.map((each) => each.status).sort(), [202, 409, 409, 409, 409, 409]);
  });
});

describe('deleting a tenant', () => {
  it('R1.4 tells in a dry run how much would be destroyed, and destroys nothing', async () => {
    const acme = await member();
    await acme.call('POST', '/v1/agents', { name: 'alpha', model: 'demo' });
    const dry = await act('DELETE', `/v1/tenants/${acme.tenant.id}?dryRun=true`);
    assert.equal(dry.status, 200);
    const { destroy, key, graceSeconds } = dry.body.would as {
      destroy: { rows: Record<string, number>; bytes: number };
      key: string;
      graceSeconds: number;
    };
    assert.equal(destroy.rows.agents, 1);
    assert.equal(destroy.rows.users, 1);
    assert.ok(destroy.bytes > 100_000);
    assert.equal(key, 'destroyed');
    assert.equal(graceSeconds, 14 * 86_400);
    assert.equal((await shown(acme.tenant.id)).state, 'active');
  });

  it('R1.4 can be called off within the grace period, and puts the tenant back as it was', async () => {
    for (const before of ['active', 'suspended']) {
      const acme = await member();
      const path = `/v1/tenants/${acme.tenant.id}`;
      if (before === 'suspended') await suspend(acme.tenant.id);
      const begun = await act('DELETE', `${path}?graceSeconds=3600`);
      await until(async () => (await shown(acme.tenant.id)).state === 'deleting');
      assert.equal((await acme.call('GET', '/v1/me')).status, 401);
      const dry = await act('DELETE', `${path}/deletion?dryRun=true`);
      assert.deepEqual(dry.body.would, { return: before });
      const off = await act('DELETE', `${path}/deletion`);
      assert.equal(off.body.operation.id, begun.body.operation.id);
      await done(off, 'cancelled');
      assert.equal((await shown(acme.tenant.id)).state, before);
      if (before === 'active') assert.equal((await signIn(acme)).status, 201);
    }
  });

  it('R1.4 cannot be called off when none is under way', async () => {
    const { tenant } = await member();
    assert.equal((await act('DELETE', `/v1/tenants/${tenant.id}/deletion`)).status, 409);
  });

  it('R1.4 leaves no schema, role or key, but a tombstone, a certificate and a held address', async () => {
    const acme = await member();
    const { id, slug } = acme.tenant;
    const place = await placed(id);
    const key = await keyHolder(id, 'owner');
    await key.call('GET', '/v1/me');
    assert.deepEqual(await thereIs(place), { schemas: 1, roles: 1, keys: 1, members: 1 });

    const operationId = await done(
      await act('DELETE', `/v1/tenants/${id}?graceSeconds=1&reason=contract%20ended`),
    );
    assert.deepEqual(await thereIs(place), { schemas: 0, roles: 0, keys: 0, members: 0 });
    const buried = await shown(id);
    assert.equal(buried.state, 'deleted');
    const tombstone = buried.tombstone as { tenantId: string; keyFingerprints: string[]; remains: object };
    assert.equal(tombstone.tenantId, id);
    assert.match(tombstone.keyFingerprints.join(), /^[0-9a-f]{64}$/);
    assert.deepEqual(tombstone.remains, {
      schemas: 0,
      roles: 0,
      keys: 0,
      intake: 0,
      mirroredDays: 0,
      mirroredRequests: 0,
    });
    const { body: operation } = await operator().call<{ result: { certificate: object } }>(
      'GET',
      `/v1/operations/${operationId}`,
    );
    assert.deepEqual(operation.result.certificate, tombstone);

    const taken = await operator().call<Problem>('POST', '/v1/tenants', asked(slug));
    assert.equal(taken.status, 409);
    assert.match(taken.body.detail, /held back/);
    assert.equal((await act('DELETE', `/v1/tenants/${id}`)).status, 409);
  });

  it('R4.5 leaves its credentials, its address and its id worth nothing, without an error of ours', async () => {
    const acme = await member();
    const { id, slug } = acme.tenant;
    const key = await keyHolder(id, 'owner');
    const { email } = acme;
    await key.call('GET', '/v1/me');
    await done(await act('DELETE', `/v1/tenants/${id}?graceSeconds=0`));
    assert.equal((await key.call('GET', '/v1/me')).status, 401);
    assert.equal((await acme.call('POST', '/v1/agents', { name: 'late', model: 'demo' })).status, 401);
    for (const tenant of [id, slug]) {
      const reply = await callerOf().call<Problem>(
        'POST',
        '/v1/sessions',
        { email, password },
        { 'x-tenant': tenant },
      );
      assert.equal(reply.status, 404, reply.text);
    }
    assert.equal((await operator().call('GET', `/v1/tenants/${id}`)).status, 200);
  });
});

describe('a tenant that is still being made', () => {
  it('R4.5 can be signed in to by nobody, without an error of ours', async () => {
    const slug = freshSlug();
    const begun = await operator().call<Shown>('POST', '/v1/tenants', asked(slug));
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        await new Promise((resolve) => setTimeout(resolve, at * 10));
        const given = { email: 'a@b.example', password };
        return (
          await callerOf().call('POST', '/v1/sessions', given, { 'x-tenant': at % 2 ? slug : begun.body.id })
        ).status;
      }),
    );
    assert.ok(
      statuses.every((status) => status === 404 || status === 401),
      statuses.join(),
    );
    await follow(begun.body.operation.id);
  });
});

describe('the platform’s trail', () => {
  it('R1.5 tells of each act on a tenant who asked, by which rule, in which request and operation', async () => {
    const acme = await member();
    const { id } = acme.tenant;
    const headers = { 'x-request-id': 'suspend-request-1' };
    const suspended = await done(await act('PUT', suspension(id), { reason: 'unpaid' }, headers));
    await done(await act('DELETE', suspension(id)));
    await act('PATCH', `/v1/tenants/${id}`, { name: 'Renamed' });
    const trail = await trailOf(id);
    const asking = trail.filter((each) => each.outcome === 'asked').map((each) => each.action);
    assert.deepEqual(asking, ['create Tenant', 'suspend Tenant', 'reactivate Tenant']);
    const event = trail.find((each) => each.action === 'suspend Tenant');
    assert.ok(event);
    assert.equal(event.actor.kind, 'api-key');
    assert.equal(event.rule, 'platform-owner may suspend Tenant');
    assert.equal(event.reason, 'unpaid');
    assert.equal(event.requestId, 'suspend-request-1');
    assert.equal(event.operationId, suspended);
    assert.equal(event.source, '127.0.0.1');
    assert.deepEqual(event.subject, { type: 'Tenant', id });
    const outcome = trail.find((each) => each.operationId === suspended && each.outcome === 'done');
    assert.deepEqual([outcome?.details.from, outcome?.details.to], ['active', 'suspended']);
    const renamed = trail.find((each) => each.action === 'rename Tenant');
    assert.equal(renamed?.outcome, 'done');
    assert.deepEqual(
      trail.map((each) => BigInt(each.seq)),
      trail.map((each) => BigInt(each.seq)).toSorted((a, b) => (a < b ? -1 : 1)),
    );
  });

  it('R1.5 tells nothing of a dry run, a replay or a request with faults', async () => {
    const acme = await member();
    const path = suspension(acme.tenant.id);
    const before = await trailOf(acme.tenant.id);
    await act('PUT', `${path}?dryRun=true`, { reason: 'to see' });
    await act('PUT', path, {});
    await act('PATCH', `/v1/tenants/${acme.tenant.id}?dryRun=true`, { name: 'Not yet' });
    assert.deepEqual(await trailOf(acme.tenant.id), before);
  });

  it('R1.5 holds no personal data of the tenant’s people', async () => {
    const admin = { email: `canary@${freshSlug()}.example`, name: 'Canary Person' };
    const { id } = await onboard({ admin });
    assert.doesNotMatch(JSON.stringify(await trailOf(id)), /canary|@/i);
  });

  it('R1.5 believes no X-Forwarded-For of somebody who is no proxy of ours', async () => {
    const acme = await member();
    const forged = { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9' };
    await act('PATCH', `/v1/tenants/${acme.tenant.id}`, { name: 'Forged' }, forged);
    const trail = await trailOf(acme.tenant.id);
    assert.equal(trail.at(-1)?.source, '127.0.0.1');
  });
});

async function until(fact: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await fact())) {
    if (Date.now() > deadline) throw new Error('it never came to be');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Asked of Postgres' own catalogue, as the cell's administrator. */
async function thereIs({ tenantId, cell }: Place) {
  const name = `t_${tenantId.slice(4)}`;
  const { rows } = await cellAdministrator(cell).query<Record<string, number>>(
    `SELECT (SELECT count(*)::int FROM pg_namespace WHERE nspname = $1) AS schemas,
            (SELECT count(*)::int FROM pg_roles WHERE rolname = $1) AS roles,
            (SELECT count(*)::int FROM platform.tenant_keys WHERE tenant_id = $2 AND wrapped IS NOT NULL) AS keys,
            (SELECT count(*)::int FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
             JOIN pg_roles u ON u.oid = m.member AND u.rolname LIKE 'fh\\_%' WHERE r.rolname = $1) AS members`,
    [name, tenantId],
  );
  return rows[0];
}
