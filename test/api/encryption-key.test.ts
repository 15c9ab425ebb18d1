import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Caller } from '../support/client.ts';
import { type Deployment, deployBeside } from '../support/deployment.ts';
import { orSkip } from '../support/installed.ts';
import { identity, type KeyService, startKeyService } from '../support/kms.ts';
import { follow, type Member, member, password } from '../support/tenants.ts';

type Shown = {
  usable: boolean;
  unusable: string | null;
  versions: {
    version: number;
    state: string;
    fingerprint: string;
    wrappedBy: { customerKey: string | null };
  }[];
  customerKey: { arn: string } | null;
  sealed: { table: string; column: string; rows: number; underOlder: number }[];
  rotation: { id: string } | null;
};
type Root = { wrapping: string; percent: number; rootKeys: { name: string; keys: number }[] };
type Operation = { operation: { id: string; href: string } };

describe('the organisation’s encryption key', () => {
  let service: KeyService;
  let freehold: Deployment;
  let acme: Member;
  let globex: Member;
  const path = '/v1/encryption-key';
  const own = `${path}/customer-key`;
  const key = async (who: Caller = acme) => (await who.call<Shown>('GET', path)).body;
  const put = (arn: string, query = '') => acme.call(`PUT`, `${own}${query}`, { arn, endpoint: service.url });
  const outcomes = async () => {
    const query = 'subjectType=EncryptionKey&action=administer+EncryptionKey';
    const reply = await acme.call<{ items: { outcome: string }[] }>('GET', `/v1/audit-events?${query}`);
    assert.equal(reply.status, 200, reply.text);
    return reply.body.items.map(({ outcome }) => outcome).filter((outcome) => outcome !== 'refused');
  };
  const expiry = () => sleep(2_300); // FREEHOLD_KEY_CACHE_SECONDS in tests, and a little

  before(async function () {
    this.timeout(300_000);
    service = await orSkip(this, startKeyService());
    const wrapping = { FREEHOLD_WRAPPING_KEYS: randomBytes(32).toString('base64') };
    freehold = await deployBeside({ ...identity, FREEHOLD_CUSTOMER_KMS_ENDPOINTS: service.url });
    await Promise.all([freehold.worker(wrapping), freehold.api(wrapping)]);
    [acme, globex] = [await member({}, freehold), await member({}, freehold)];
  });
  after(async () => {
    await freehold?.stop();
    await service?.stop();
  });

  it('R2.5 is told by its versions and fingerprints, never by a byte of it', async () => {
    const shown = await key();
    assert.ok(shown.usable);
    assert.deepEqual(
      shown.versions.map(({ version, state }) => [version, state]),
      [[1, 'sealing']],
    );
    assert.match(shown.versions[0]?.fingerprint ?? '', /^[0-9a-f]{64}$/);
    assert.deepEqual(
      shown.sealed.find(({ table, column }) => table === 'users' && column === 'sealed_email'),
      { table: 'users', column: 'sealed_email', rows: 1, underOlder: 0 },
    );
  });

  it('R2.5 is rotated while people work, and everything is under the new version when it says so', async () => {
    const dry = await acme.call<{ would: { reseal: Shown['sealed'] } }>(
      'POST',
      `${path}/rotations?dryRun=true`,
    );
    assert.ok(dry.body.would.reseal.some(({ underOlder }) => underOlder > 0));
    assert.equal((await key()).versions.length, 1, 'a dry run changes nothing');
    const begun = await acme.call<Operation>('POST', `${path}/rotations`);
    const progress = await acme.call('GET', begun.body.operation.href);
    assert.equal(progress.status, 200, 'whoever starts it can follow it');
    assert.equal(begun.status, 202, begun.text);
    const second = await acme.call('POST', `${path}/rotations`);
    assert.equal(second.status, 409, 'one at a time');
    let renamed = 0;
    const working = async () => {
      while ((await key()).rotation) {
        const { status } = await acme.call('PATCH', '/v1/me', { name: `Ada ${renamed++}` });
        assert.equal(status, 200);
      }
    };
    const [done] = await Promise.all([follow(begun.body.operation.id, freehold.operator), working()]);
    assert.equal(done.state, 'succeeded', JSON.stringify(done));
    assert.ok(renamed > 3);
    const after = await key();
    assert.deepEqual(
      after.versions.map(({ version, state }) => [version, state]),
      [
        [2, 'sealing'],
        [1, 'opening'],
      ],
    );
    assert.deepEqual(
      after.sealed.filter(({ underOlder }) => underOlder > 0),
      [],
    );
    assert.equal((await acme.call<{ name: string }>('GET', '/v1/me')).body.name, `Ada ${renamed - 1}`);
    const again = await acme.call(
      'POST',
      '/v1/sessions',
      { email: acme.email.toUpperCase(), password },
      {
        authorization: '',
        'x-tenant': acme.tenant.slug,
      },
    );
    assert.equal(again.status, 201, 'found by address as before');
  });

  it('R2.5 takes no key of the organisation’s own that cannot be used, or is elsewhere', async () => {
    const arn = await service.newKey();
    for (const endpoint of [
      'http://127.0.0.1:1',
      'https://kms.us-east-1.amazonaws.com',
      'https://169.254.169.254',
    ]) {
      const refused = await acme.call<{ errors: { pointer: string }[] }>('PUT', own, { arn, endpoint });
      assert.equal(refused.status, 422, endpoint);
      assert.equal(refused.body.errors[0]?.pointer, '/endpoint');
    }
    service.refuse(arn, 'AccessDeniedException');
    const denied = await put(arn);
    assert.equal(denied.status, 422);
    assert.match(denied.text, /access to it is denied/);
    assert.equal((await put('arn:aws:kms:eu-west-1:1:key/x')).status, 400);
    assert.equal((await key()).customerKey, null);
    assert.equal((await acme.call('DELETE', own)).status, 409);
  });

  it('R2.5 under a key of the organisation’s own opens nothing once that is taken away, says so, and is back with it', async () => {
    const arn = await service.newKey();
    assert.equal((await put(arn, '?dryRun=true')).status, 200);
    assert.equal((await key()).customerKey, null);
    assert.equal((await put(arn)).status, 200);
    assert.equal((await key()).customerKey?.arn, arn);
    assert.deepEqual(await outcomes(), ['done', 'asked'], 'in the trail before it was done');
    assert.equal((await acme.call('GET', '/v1/users')).status, 200);
    service.refuse(arn, 'DisabledException');
    await expiry();
    for (const [method, to] of [
      ['GET', '/v1/users'],
      ['GET', '/v1/agents'],
      ['GET', '/v1/me'],
      ['GET', '/v1/audit-events'],
      ['PATCH', '/v1/me'],
    ] as const) {
      const refused = await acme.call<{ code: string; detail: string }>(
        method,
        to,
        method === 'PATCH' ? { name: 'x' } : undefined,
      );
      assert.equal(refused.status, 503, `${method} ${to}`);
      assert.equal(refused.body.code, 'key-unusable');
      assert.match(refused.body.detail, /organisation’s own key cannot be used \(it is disabled\)/);
    }
    const shown = await key();
    assert.equal(shown.usable, false);
    assert.match(shown.unusable ?? '', /it is disabled/);
    const signIn = await acme.call(
      'POST',
      '/v1/sessions',
      { email: acme.email, password },
      {
        authorization: '',
        'x-tenant': acme.tenant.slug,
      },
    );
    assert.equal(signIn.status, 503);
    assert.equal((await globex.call('GET', '/v1/users')).status, 200, 'nobody else notices');
    service.allow(arn);
    await expiry();
    assert.equal((await acme.call('GET', '/v1/users')).status, 200);
    assert.equal((await acme.call('DELETE', own)).status, 204);
    service.refuse(arn, 'DisabledException');
    await expiry();
    assert.equal((await acme.call('GET', '/v1/users')).status, 200, 'it is not needed any more');
  });

  it('R2.5 is wrapped under another root key when an operator asks for it, with progress', async () => {
    const { operator } = freehold;
    const root = async () => (await operator.call<Root>('GET', '/v1/root-key')).body;
    const dry = await operator.call('POST', '/v1/root-key-rotations?dryRun=true');
    assert.equal(dry.status, 200);
    const asked = await operator.call('POST', '/v1/root-key-rotations');
    assert.equal(asked.status, 202, asked.text);
    for (let left = 100; (await root()).percent < 100 && left > 0; left--) await sleep(100);
    const { percent, wrapping, rootKeys } = await root();
    assert.equal(percent, 100);
    assert.deepEqual(
      rootKeys.filter(({ keys }) => keys > 0).map(({ name }) => name),
      [wrapping],
    );
    await expiry();
    assert.equal((await acme.call('GET', '/v1/users')).status, 200);
    assert.equal((await acme.call('POST', '/v1/root-key-rotations')).status, 403);
  });

  it('R2.5 of a tenant whose own key is gone does not keep the tenant from being deleted', async () => {
    const arn = await service.newKey();
    assert.equal((await put(arn)).status, 200);
    service.refuse(arn, 'AccessDeniedException');
    await expiry();
    const begun = await freehold.operator.call<Operation>(
      'DELETE',
      `/v1/tenants/${acme.tenant.id}?graceSeconds=1&reason=over`,
    );
    assert.equal(begun.status, 202, begun.text);
    const done = await follow(begun.body.operation.id, freehold.operator);
    assert.equal(done.state, 'succeeded', JSON.stringify(done));
    const certificate = done.result?.certificate as { keyFingerprints: string[]; remains: { keys: number } };
    assert.equal(certificate.keyFingerprints.length, 2, 'every version is told of');
    assert.equal(certificate.remains.keys, 0);
  });
});
