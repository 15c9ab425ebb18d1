import assert from 'node:assert/strict';
import { declarations } from '../../activities/index.ts';
import { loadConfig } from '../../config.ts';
import { closeDatabases, useConfig } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { callerOf, operator } from '../support/client.ts';
import { handed } from '../support/environment.ts';
import { rawRequest } from '../support/raw.ts';
import { asked, follow, freshSlug, type Member, member, password, type Shown } from '../support/tenants.ts';

/** What attackers tried, once each and for good. */
type Problem = { code: string; detail: string };

describe('attacks', () => {
  let acme: Member;
  before(async () => {
    useConfig(loadConfig(handed().shared.settings));
    acme = await member();
  });
  after(closeDatabases);

  it('R3.1 refuses a tenant named twice in the query, even twice alike', async () => {
    const reply = await acme.call<Problem>(
      'GET',
      `/v1/agents?tenant=${acme.tenant.slug}&tenant=${acme.tenant.slug}`,
    );
    assert.equal(reply.status, 400, reply.text);
  });

  it('R3.1 refuses a Host that two readers could read in two ways', async () => {
    for (const host of [`${acme.tenant.slug}.localhost:1:2`, `${acme.tenant.slug}.localhost@x`, 'a b']) {
      const reply = await acme.call('GET', '/v1/agents', undefined, { host });
      assert.equal(reply.status, 400, host);
    }
  });

  it('R3.1 refuses two Host headers and a whole address in place of a path', async () => {
    const authorization = `Authorization: Bearer ${acme.token}`;
    const end = 'Connection: close';
    const twice = await rawRequest([
      'GET /v1/agents HTTP/1.1',
      'Host: a.localhost',
      'Host: b.localhost',
      authorization,
      end,
    ]);
    assert.match(twice, /^HTTP\/1\.1 400/);
    const whole = await rawRequest([
      'GET http://b.localhost/v1/agents HTTP/1.1',
      'Host: a.localhost',
      authorization,
      end,
    ]);
    assert.match(whole, /^HTTP\/1\.1 400/);
  });

  it('R1.2 keeps an old address alive: a look-alike of it is refused to its own tenant too', async () => {
    const slug = `modern-${freshSlug('x')}`.slice(0, 38);
    const made = await operator().call<Shown>('POST', '/v1/tenants', asked(slug));
    await follow(made.body.operation.id);
    const renamed = await operator().call<Problem>('PATCH', `/v1/tenants/${made.body.id}`, {
      slug: slug.replace('m', 'rn'),
    });
    assert.equal(renamed.status, 409, renamed.text);
    const signIn = await callerOf().call<Problem>(
      'POST',
      '/v1/sessions',
      { email: 'a@b.example', password },
      { 'x-tenant': slug },
    );
    assert.equal(signIn.status, 401, signIn.text);
  });

  it('R1.2 refuses names with characters that nobody sees or that turn the reading direction', async () => {
    for (const name of ['\u200b', 'Acme\u202eemca', 'A\u2066b\u2069']) {
      const reply = await operator().call<Problem>(
        'POST',
        '/v1/tenants?dryRun=true',
        asked(freshSlug(), { name }),
      );
      assert.equal(reply.status, 400, JSON.stringify(name));
    }
  });

  it('R1.4 destroys nothing of a tenant that is open, whatever a workflow says', async () => {
    const by = { kind: 'system', id: 'system:delete-tenant' } as const;
    const step = { tenantId: acme.tenant.id, operationId: newId('op') };
    await assert.rejects(declarations.destroyTenantKey.run(step, by), /active is not destroyed/);
    await assert.rejects(declarations.removeTenantSchema.run(step, by), /active is not destroyed/);
  });

  it('R1.4 destroys nothing within the grace period, whatever a workflow says', async () => {
    const by = { kind: 'system', id: 'system:delete-tenant' } as const;
    const { body } = await operator().call<Shown>(
      'DELETE',
      `/v1/tenants/${acme.tenant.id}?graceSeconds=3600`,
    );
    const step = { tenantId: acme.tenant.id, operationId: body.operation.id };
    for (;;) {
      const { body: now } = await operator().call<Shown>('GET', `/v1/tenants/${acme.tenant.id}`);
      if (now.state === 'deleting') break;
    }
    await declarations.announceDeletion.run({ ...step, due: new Date().toISOString() }, by);
    await assert.rejects(declarations.destroyTenantKey.run(step, by), /grace period is not over/);
    await assert.rejects(declarations.removeTenantSchema.run(step, by), /grace period is not over/);
    const retried = await operator().call<Problem>('POST', `/v1/operations/${body.operation.id}/retry`);
    assert.equal(retried.status, 409, 'R1.4 an operation that is not parked cannot be retried');
    await operator().call('DELETE', `/v1/tenants/${acme.tenant.id}/deletion`);
    assert.equal((await follow(body.operation.id)).state, 'cancelled');
  });
});
