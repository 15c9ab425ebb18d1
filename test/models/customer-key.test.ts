import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../../config.ts';
import { cellPlatform, config, useConfig } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { addKeyVersion, setCustomerKey, tryCustomerKey } from '../../models/key-change.ts';
import { rootKeyUses } from '../../models/key-facts.ts';
import { type Keyring, keyringOf } from '../../models/keyring.ts';
import { rootKey } from '../../models/kms/root-key.ts';
import { rewrapUnderRoot } from '../../models/root-rotation.ts';
import type { Place } from '../../models/scope.ts';
import { destroyTenantKey, ensureTenantKey } from '../../models/tenant-key.ts';
import { Refusal } from '../../policies/refusal.ts';
import { handed, ownSettings } from '../support/environment.ts';
import { orSkip } from '../support/installed.ts';
import { untilSealedUnder } from '../support/key-versions.ts';
import { identity, type KeyService, startKeyService } from '../support/kms.ts';

const column = 'users.sealed_name';

describe('keys in a key service', () => {
  let service: KeyService;
  let settings: Record<string, string>;

  before(async function () {
    this.timeout(300_000);
    service = await orSkip(this, startKeyService());
    Object.assign(process.env, identity);
    settings = await ownSettings(handed(), 'no-namespace');
    useConfig(loadConfig(settings));
  });
  after(() => service?.stop());

  async function keyed(): Promise<{ place: Place; ring: Keyring; sealed: Buffer }> {
    const place = { tenantId: newId('ten'), cell: 'eu-1', login: 0 };
    await ensureTenantKey(place, `test-${place.tenantId}`);
    const ring = await keyringOf(place);
    return { place, ring, sealed: ring.seal(column, 'usr_1', 'Ada Lovelace') };
  }
  const expiry = () => sleep(config().kms.cacheSeconds * 1000 + 200);
  const unusable = (thrown: unknown) =>
    thrown instanceof Refusal &&
    thrown.code === 'key-unusable' &&
    /own key cannot be used/.test(thrown.message);

  it('R2.5 a tenant’s own key around its key changes nothing of what is sealed, and is asked to open it', async () => {
    const { place, sealed } = await keyed();
    const arn = await service.newKey();
    await tryCustomerKey(place, { arn, endpoint: service.url });
    await setCustomerKey(place, { arn, endpoint: service.url });
    const before = service.asked.length;
    assert.equal((await keyringOf(place)).open(column, 'usr_1', sealed), 'Ada Lovelace');
    assert.ok(service.asked.slice(before).some((body) => body.includes(place.tenantId)));
  });

  for (const how of [
    'AccessDeniedException',
    'DisabledException',
    'KMSInvalidStateException',
    'hang',
  ] as const) {
    it(`R2.5 nothing of a tenant opens within the stated time once its own key answers ${how}, and all does when it is back`, async () => {
      const { place, sealed } = await keyed();
      const arn = await service.newKey();
      await setCustomerKey(place, { arn, endpoint: service.url });
      const held = await keyringOf(place);
      assert.equal(held.open(column, 'usr_1', sealed), 'Ada Lovelace');
      const { place: other, sealed: theirs } = await keyed();
      service.refuse(arn, how);
      await expiry();
      // A keyring that is held opens nothing either, whether the answer was a refusal or has not come.
      assert.throws(() => held.open(column, 'usr_1', sealed), Refusal);
      assert.throws(() => held.seal(column, 'usr_1', 'x'), Refusal);
      await assert.rejects(keyringOf(place), unusable);
      assert.equal((await keyringOf(other)).open(column, 'usr_1', theirs), 'Ada Lovelace');
      service.allow(arn);
      await expiry();
      assert.equal((await keyringOf(place)).open(column, 'usr_1', sealed), 'Ada Lovelace');
    }).timeout(60_000);
  }

  it('R2.5 a key that may not be used is not put around anything', async () => {
    const { place, sealed } = await keyed();
    const arn = await service.newKey();
    service.refuse(arn, 'AccessDeniedException');
    await assert.rejects(tryCustomerKey(place, { arn, endpoint: service.url }), unusable);
    await assert.rejects(setCustomerKey(place, { arn, endpoint: service.url }), unusable);
    assert.equal((await keyringOf(place)).open(column, 'usr_1', sealed), 'Ada Lovelace');
  });

  it('R2.5 a rotation keeps the tenant’s own key around, and another or none can take its place', async () => {
    const { place, sealed } = await keyed();
    const [one, two] = [await service.newKey(), await service.newKey()];
    const email = (await keyringOf(place)).blindIndex('users.email', 'ada@acme.example');
    await setCustomerKey(place, { arn: one, endpoint: service.url });
    assert.equal(await addKeyVersion(place, newId('op')), 2);
    await untilSealedUnder(place, 2);
    const ring = await keyringOf(place);
    const newer = ring.seal(column, 'usr_1', 'Ada Lovelace');
    assert.equal(newer.readUInt16BE(1), 2);
    assert.equal(ring.blindIndex('users.email', 'ada@acme.example'), email, 'looked up as before');
    await setCustomerKey(place, { arn: two, endpoint: service.url });
    service.refuse(one, 'DisabledException');
    for (const each of [sealed, newer])
      assert.equal((await keyringOf(place)).open(column, 'usr_1', each), 'Ada Lovelace');
    await setCustomerKey(place, undefined);
    service.refuse(two, 'DisabledException');
    for (const each of [sealed, newer])
      assert.equal((await keyringOf(place)).open(column, 'usr_1', each), 'Ada Lovelace');
  });

  it('R2.5 a wrapped key opens for no other tenant and no other version, whoever asks the key service', async () => {
    const [acme, globex] = [await keyed(), await keyed()];
    const arn = await service.newKey();
    for (const { place } of [acme, globex]) await setCustomerKey(place, { arn, endpoint: service.url });
    await cellPlatform('eu-1').query(
      `UPDATE platform.tenant_keys k SET wrapped = o.wrapped, fingerprint = o.fingerprint FROM platform.tenant_keys o
       WHERE k.tenant_id = $1 AND o.tenant_id = $2`,
      [globex.place.tenantId, acme.place.tenantId],
    );
    await expiry();
    await assert.rejects(keyringOf(globex.place));
    await cellPlatform('eu-1').query('DELETE FROM platform.tenant_keys WHERE tenant_id = $1', [
      globex.place.tenantId,
    ]);
  });

  it('R2.5 all tenant keys move to another root key, from a file to AWS KMS and on, and the old one is not needed', async () => {
    const { place, sealed } = await keyed();
    const own = await service.newKey();
    await setCustomerKey(place, { arn: own, endpoint: service.url });
    service.refuse(own, 'AccessDeniedException');
    const arn = await service.newKey();
    const move = async (more: Record<string, string>) => {
      useConfig(loadConfig({ ...settings, ...more }));
      // Killed again and again after the first few, it still comes to an end.
      for (let done = false; !done; ) ({ done } = await rewrapUnderRoot('eu-1', 0));
      const uses = (await rootKeyUses('unnamed')).filter(({ keys }) => keys > 0);
      assert.ok(uses.some(({ name }) => name === rootKey().name));
      const { rows } = await cellPlatform('eu-1').query<{ root: string }>(
        'SELECT DISTINCT root FROM platform.tenant_keys WHERE wrapped IS NOT NULL',
      );
      assert.deepEqual(rows, [{ root: rootKey().name }]);
    };
    const kms = { FREEHOLD_KMS_KEYS: arn, FREEHOLD_KMS_ENDPOINT: service.url };
    await move(kms);
    service.allow(own);
    assert.equal((await keyringOf(place)).open(column, 'usr_1', sealed), 'Ada Lovelace');
    // Straight under KMS, then to a key from a file while KMS still opens, then without KMS.
    const wrappingKeys = { FREEHOLD_WRAPPING_KEYS: Buffer.alloc(32, 9).toString('base64') };
    useConfig(loadConfig({ ...settings, ...kms, ...wrappingKeys }));
    assert.equal(rootKey().name, `aws:${arn}`);
    service.refuse(arn, 'AccessDeniedException');
    // No root key, no data.
    await assert.rejects(keyringOf(place), { name: 'AccessDeniedException' });
    service.allow(arn);
    await expiry();
    assert.equal((await keyringOf(place)).open(column, 'usr_1', sealed), 'Ada Lovelace');
    useConfig(loadConfig(settings));
    await assert.rejects(keyringOf(place), /which this process was not given/);
  });

  it('R2.5 the key service never sees what is sealed, nor who it is about', () => {
    assert.ok(service.asked.length > 0);
    for (const body of service.asked) assert.ok(!/Lovelace|acme\.example/.test(body));
  });

  it('R2.5 a destroyed key stays destroyed, whoever has a copy of the rows from before and the tenant’s own key', async () => {
    useConfig(loadConfig(settings));
    const { place, ring, sealed } = await keyed();
    await destroyTenantKey(place, `test-${place.tenantId}-gone`);
    await expiry();
    assert.throws(() => ring.open(column, 'usr_1', sealed), Refusal);
    const { rows } = await cellPlatform('eu-1').query(
      'SELECT wrapped, lasting, fingerprint FROM platform.tenant_keys WHERE tenant_id = $1',
      [place.tenantId],
    );
    assert.deepEqual(
      rows.map(({ wrapped, lasting }) => [wrapped, lasting]),
      [[null, null]],
    );
  });
});
