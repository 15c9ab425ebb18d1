import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { cellPlatform, config, useConfig } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { forgetKeys } from '../../models/key-cache.ts';
import { addKeyVersion } from '../../models/key-change.ts';
import { type Keyring, keyringOf } from '../../models/keyring.ts';
import type { Place } from '../../models/scope.ts';
import { destroyTenantKey, ensureTenantKey } from '../../models/tenant-key.ts';
import { Refusal } from '../../policies/refusal.ts';
import { ownConfig } from '../support/environment.ts';
import { untilSealedUnder } from '../support/key-versions.ts';

/** One tenant's key as everything above it uses it. */
describe('a keyring', () => {
  let acme: Keyring;
  let globex: Keyring;
  const column = 'users.sealed_name';

  async function keyed(): Promise<Place> {
    const place = { tenantId: newId('ten'), cell: 'eu-1', login: 0 };
    await ensureTenantKey(place, `test-${place.tenantId}`);
    return place;
  }

  before(async () => {
    useConfig(await ownConfig());
    [acme, globex] = await Promise.all([keyringOf(await keyed()), keyringOf(await keyed())]);
  });

  it('R2.5 opens what it sealed, text or bytes, and never seals the same twice', () => {
    const sealed = acme.seal(column, 'usr_1', 'Ada Lovelace');
    assert.equal(acme.open(column, 'usr_1', sealed), 'Ada Lovelace');
    assert.notDeepEqual(acme.seal(column, 'usr_1', 'Ada Lovelace'), sealed);
    const bytes = Buffer.from([0, 255, 128, 10]);
    assert.ok(acme.openBytes(column, 'usr_1', acme.sealBytes(column, 'usr_1', bytes)).equals(bytes));
  });

  it('R2.5 opens nothing of another tenant, table, column or row', () => {
    const sealed = acme.seal(column, 'usr_1', 'Ada');
    assert.throws(() => globex.open(column, 'usr_1', sealed));
    assert.throws(() => acme.open('people.sealed_name', 'usr_1', sealed));
    assert.throws(() => acme.open('users.sealed_email', 'usr_1', sealed));
    assert.throws(() => acme.open(column, 'usr_2', sealed));
    assert.throws(() => acme.open(column, 'usr_1/x', sealed));
  });

  it('R2.5 opens nothing of which any bit was changed, or that was cut or lengthened', () => {
    const sealed = acme.seal(column, 'usr_1', 'Ada');
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      assert.throws(() => acme.open(column, 'usr_1', changed), `bit ${bit}`);
    }
    for (let length = 0; length < sealed.length; length++)
      assert.throws(() => acme.open(column, 'usr_1', sealed.subarray(0, length)), `${length} bytes`);
    assert.throws(() => acme.open(column, 'usr_1', Buffer.concat([sealed, Buffer.alloc(1)])));
  });

  it('R2.5 has equal hashes for equal texts of one column of one tenant, and of nothing else', () => {
    const hash = acme.blindIndex('users.email', 'ada@acme.example');
    assert.equal(acme.blindIndex('users.email', 'ada@acme.example'), hash);
    assert.notEqual(acme.blindIndex('users.name', 'ada@acme.example'), hash);
    assert.notEqual(acme.blindIndex('users.email', 'ada@acme.exampl'), hash);
    assert.notEqual(globex.blindIndex('users.email', 'ada@acme.example'), hash);
  });

  it('R2.5 opens nothing once the key is destroyed, however long it was held, within the stated time', async () => {
    const place = await keyed();
    const ring = await keyringOf(place);
    const sealed = ring.seal(column, 'usr_1', 'Ada');
    await destroyTenantKey(place, `test-${place.tenantId}-gone`);
    await sleep(config().kms.cacheSeconds * 1000 + 100);
    const gone = (thrown: unknown) =>
      thrown instanceof Refusal && /key of this tenant is gone/.test(thrown.message);
    assert.throws(() => ring.open(column, 'usr_1', sealed), gone);
    assert.throws(() => ring.seal(column, 'usr_1', 'Ada'), gone);
    await assert.rejects(keyringOf(place), gone);
  });

  it('R2.5 is still good after the stated time when the key is', async () => {
    const ring = await keyringOf(await keyed());
    const sealed = ring.seal(column, 'usr_1', 'Ada');
    await sleep(config().kms.cacheSeconds * 1000 + 500);
    assert.equal(ring.open(column, 'usr_1', sealed), 'Ada');
  });

  it('R2.5 is had, and still good, while everything else waits for the cell', async () => {
    const [place, later] = [await keyed(), await keyed()];
    const ring = await keyringOf(place);
    const sealed = ring.seal(column, 'usr_1', 'Ada');
    const seconds = config().kms.cacheSeconds + 1;
    const busy = Array.from({ length: 12 }, () =>
      cellPlatform('eu-1').query('SELECT pg_sleep($1)', [seconds / 3]),
    );
    const had = keyringOf(later);
    await sleep(seconds * 1000 - 300);
    assert.equal(ring.open(column, 'usr_1', sealed), 'Ada');
    (await had).seal(column, 'usr_1', 'Ada');
    await Promise.all(busy);
  });

  it('R2.5 opens what other processes seal while there is a new version it has not heard of', async () => {
    const place = await keyed();
    // As a process has it that looked the key up just before: it is good for as long as is stated.
    const held = await keyringOf(place);
    assert.equal(await addKeyVersion(place, newId('op')), 2);
    for (
      const end = Date.now() + config().kms.cacheSeconds * 1000 - 300;
      Date.now() < end;
      await sleep(100)
    ) {
      forgetKeys(place.tenantId);
      const sealed = (await keyringOf(place)).seal(column, 'usr_1', 'Ada');
      assert.equal(held.open(column, 'usr_1', sealed), 'Ada');
    }
    await untilSealedUnder(place, 2);
    const sealed = (await keyringOf(place)).seal(column, 'usr_1', 'Ada');
    assert.equal(sealed.readUInt16BE(1), 2);
  });

  it('R2.5 is had by nobody whose key was never made', async () => {
    await assert.rejects(keyringOf({ tenantId: newId('ten'), cell: 'eu-1', login: 0 }), Refusal);
  });
});
