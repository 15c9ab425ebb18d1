import assert from 'node:assert/strict';
import { inTenant, readInSystem } from '../../models/scope.ts';
import { newToken } from '../../models/tokens.ts';
import { callerOf, operator } from '../support/client.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { hostOf } from '../support/raw.ts';
import { freshSlug, type Member, password, sharedUrl, twoTenants } from '../support/tenants.ts';

type Problem = { code: string; detail: string; yours?: { host: string } };

const nobody = callerOf();

describe('a request that names two tenants', () => {
  let acme: Member;
  let globex: Member;
  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
  });

  const trailOf = async (member: Member, requestId: string) =>
    inTenant(await placed(member.tenant.id), ({ sql }) =>
      sql<Record<string, unknown>>('SELECT * FROM audit_events WHERE request_id = $1', [requestId]),
    );
  const platformTrail = async (requestId: string) => {
    const statement = { text: 'SELECT * FROM audit_events WHERE request_id = $1', values: [requestId] };
    return (await readInSystem('platform', [statement]))[0] ?? [];
  };
  const cross = (as: { call: typeof acme.call }, requestId: string, method = 'GET', path = '/v1/agents') =>
    as.call<Problem>(method, path, method === 'GET' ? undefined : { name: 'x', model: 'demo' }, {
      'x-tenant': globex.tenant.slug,
      'x-request-id': requestId,
    });

  for (const method of ['GET', 'POST'])
    it(`R3.1 is refused, offered its own address, and in its own tenant’s trail: ${method}`, async () => {
      const requestId = freshSlug('request');
      const { status, body } = await cross(acme, requestId, method);
      assert.equal(status, 403);
      assert.equal(body.code, 'tenant-mismatch');
      assert.deepEqual(body.yours, { host: hostOf(acme.tenant.slug) });
      const [event, ...more] = await trailOf(acme, requestId);
      assert.equal(more.length, 0);
      assert.equal(event?.outcome, 'refused');
      assert.equal(event?.action, 'enter Tenant');
      assert.deepEqual(event?.details, { named: [{ by: 'header', value: globex.tenant.slug }] });
      assert.ok(!JSON.stringify(event).includes(globex.tenant.id), 'more than the caller had named');
      assert.deepEqual(await trailOf(globex, requestId), []);
      assert.deepEqual(await platformTrail(requestId), []);
    });

  it('R3.1 is 401 with a credential that is not good, offered nothing, and in the platform’s trail about nobody', async () => {
    const requestId = freshSlug('request');
    const { status, body } = await cross(callerOf(newToken('key', acme.tenant.id)), requestId);
    assert.equal(status, 401);
    assert.equal(body.yours, undefined);
    const [event, ...more] = await platformTrail(requestId);
    assert.equal(more.length, 0);
    assert.deepEqual([event?.actor, event?.source, event?.tenant_id], [{ kind: 'anonymous' }, null, null]);
    assert.deepEqual(await trailOf(acme, requestId), []);
  });

  it('R3.1 at sign-in is refused without a word about either, and in the platform’s trail without personal data', async () => {
    const requestId = freshSlug('request');
    const reply = await nobody.call<Problem>(
      'POST',
      `/v1/sessions?tenant=${globex.tenant.slug}`,
      { email: acme.email, password },
      { 'x-tenant': acme.tenant.slug, 'x-request-id': requestId },
    );
    assert.equal(reply.body.code, 'tenant-mismatch');
    assert.equal(reply.body.yours, undefined);
    const [event] = await platformTrail(requestId);
    assert.deepEqual(event?.actor, { kind: 'anonymous' });
    assert.ok(!JSON.stringify(event).includes(acme.email) && event?.source === null);
    assert.deepEqual(await trailOf(acme, requestId), []);
  });

  it('R3.1 with an operator’s key is in the platform’s trail, in the operator’s name', async () => {
    const requestId = freshSlug('request');
    const { body } = await cross(operator(), requestId, 'GET', '/v1/tenants');
    assert.equal(body.code, 'tenant-mismatch');
    assert.deepEqual(body.yours, { host: new URL(sharedUrl()).host });
    const [event] = await platformTrail(requestId);
    assert.match(JSON.stringify(event?.actor), /"kind":"api-key"/);
  });

  it('R3.1 is what a cookie tossed over from another tenant’s page makes', async () => {
    const cookie = `__Host-freehold=${acme.token}`;
    const tossed = await nobody.call<Problem>('GET', '/v1/me', undefined, {
      cookie,
      host: hostOf(globex.tenant.slug),
    });
    assert.equal(tossed.body.code, 'tenant-mismatch');
    const home = await nobody.call('GET', '/v1/me', undefined, { cookie, host: hostOf(acme.tenant.slug) });
    assert.equal(home.status, 200);
  });

  it('R3.1 gives the same answer for an address nobody has as for one that cannot be', async () => {
    const texts = [];
    for (const slug of ['nobody-has-this', 'not_a_slug', 'xn--rzte-5qa', 'a.b.c'])
      texts.push(
        (
          await acme.call('GET', '/v1/me', undefined, {
            'x-tenant': slug,
            'x-request-id': 'the-same-request',
          })
        ).text,
      );
    assert.equal(new Set(texts).size, 1);
  });
});
