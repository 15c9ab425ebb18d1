import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { cellPlatform, config, useConfig } from '../../models/databases.ts';
import { newId, schemaOf } from '../../models/ids.ts';
import { addKeyVersion } from '../../models/key-change.ts';
import { keyringOf } from '../../models/keyring.ts';
import { damagedUnderOlder, resealFor, retireOldVersions, sealedCounts } from '../../models/resealing.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { activePersonByEmail } from '../../models/tenant/password-reset.ts';
import { addPerson } from '../../models/tenant/person.ts';
import { destroyTenantKey, ensureTenantKey } from '../../models/tenant-key.ts';
import { ensureTenantSchema } from '../../models/tenant-schema.ts';
import { sealedColumns } from '../../policies/sealed-columns.ts';
import { asked } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';
import { untilSealedUnder } from '../support/key-versions.ts';
import { everybody } from '../support/people.ts';

describe('what is sealed', () => {
  let place: Place;
  const grace = { id: 'usr_grace', email: 'grace@acme.example', name: 'Grace Hopper' };

  before(async () => {
    useConfig(await ownConfig());
    place = { tenantId: newId('ten'), cell: 'eu-1', login: 0 };
    await ensureTenantSchema(place, 'test');
    await ensureTenantKey(place, 'test');
    await inTenant(place, ({ sql }) => addPerson(sql, { ...grace, state: 'active' }));
  });

  const namesOf = (of: string[]) =>
    inTenant(place, ({ sql }) =>
      sql<{ id: string; sealed: Buffer }>(
        'SELECT id, sealed_name AS sealed FROM users WHERE id = ANY ($1) ORDER BY id',
        [of],
      ),
    );
  const writeNames = (rows: { id: string; sealed: Buffer }[]) =>
    inTenant(place, ({ sql }) =>
      sql(
        'UPDATE users SET sealed_name = s.sealed FROM unnest($1::text[], $2::bytea[]) s(id, sealed) WHERE users.id = s.id',
        [rows.map(({ id }) => id), rows.map(({ sealed }) => sealed)],
      ),
    );

  it('R2.5 is exactly the binary columns there are, so that no rotation forgets one', async () => {
    const columns = await asked<{ name: string }>(
      `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
       WHERE table_schema = $1 AND data_type = 'bytea' ORDER BY 1`,
      [schemaOf(place.tenantId)],
    );
    assert.deepEqual(
      columns.map(({ name }) => name),
      sealedColumns.map(({ table, column }) => `${table}.${column}`).toSorted(),
    );
  });

  it('R2.5 is sealed anew with more rows than one batch, and the old version goes once nothing is under it', async () => {
    const keyring = await keyringOf(place);
    await inTenant(place, ({ sql }) =>
      sql(
        `INSERT INTO users (id, sealed_email, email_key, sealed_name, state)
         SELECT id, email, id, name, 'active' FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS t(id, email, name)`,
        [
          ids,
          ids.map((id) => keyring.seal('users.sealed_email', id, id)),
          ids.map((id) => keyring.seal('users.sealed_name', id, id)),
        ],
      ),
    );
    const late = { id: ids[0] ?? '', sealed: keyring.seal('users.sealed_name', ids[0] ?? '', 'late') };
    assert.equal(await addKeyVersion(place, 'op_one'), 2);
    assert.equal(await addKeyVersion(place, 'op_one'), 2, 'asked again it is the same');
    await untilSealedUnder(place, 2);
    // Killed after the first look at the clock, and done by the next.
    assert.equal((await resealFor(place, 0)).done, false);
    assert.deepEqual(await retireOldVersions('eu-1'), [], 'not before its time');
    assert.ok((await resealFor(place, 30_000)).done);
    const counts = await sealedCounts(place, 2);
    assert.equal(counts.find(({ column }) => column === 'sealed_name')?.rows, ids.length + 1);
    assert.ok(counts.every(({ underOlder }) => underOlder === 0));
    // Left by somebody who was slow: it is taken along.
    await writeNames([late]);
    assert.deepEqual(await retireOldVersions('eu-1', 0), [place.tenantId]);
    const { rows } = await cellPlatform('eu-1').query(
      'SELECT version, wrapped IS NULL AS gone FROM platform.tenant_keys WHERE tenant_id = $1 ORDER BY version',
      [place.tenantId],
    );
    assert.deepEqual(rows, [
      { version: 1, gone: true },
      { version: 2, gone: false },
    ]);
    await inTenant(place, async ({ sql }) => {
      assert.equal((await everybody(sql)).length, ids.length + 1);
      assert.equal(await activePersonByEmail(sql, 'Grace@Acme.example'), grace.id);
    });
  });

  it('R2.5 is sealed anew past damaged values, which are named and keep their version until they are mended', async () => {
    const keyring = await keyringOf(place);
    const older = keyring.version();
    const whole = await namesOf(ids.slice(0, 3));
    const flipped = whole.map(({ id, sealed }, at) => {
      const bytes = Buffer.from(sealed);
      // Changed in its text, in its form, cut short.
      if (at < 2) bytes.writeUInt8((bytes[at === 0 ? 60 : 0] ?? 0) ^ 1, at === 0 ? 60 : 0);
      return { id, sealed: at === 2 ? Buffer.from([2]) : bytes };
    });
    await writeNames(flipped);
    assert.equal(await addKeyVersion(place, 'op_two'), older + 1);
    await untilSealedUnder(place, older + 1);
    const { done, damaged } = await resealFor(place, 30_000);
    assert.ok(done, 'it comes to its end');
    const named = flipped.map(({ id }) => ({ table: 'users', column: 'sealed_name', row: id }));
    const byRow = (rows: { row: string }[]) => rows.toSorted((a, b) => a.row.localeCompare(b.row));
    assert.deepEqual(byRow(damaged), byRow(named));
    const counts = await sealedCounts(place, older + 1);
    assert.deepEqual(
      counts.filter(({ underOlder }) => underOlder > 0).map(({ column, underOlder }) => [column, underOlder]),
      [['sealed_name', 3]],
    );
    assert.deepEqual(byRow(await damagedUnderOlder(place, counts)), byRow(named));
    assert.deepEqual(await retireOldVersions('eu-1', 0), [], 'what is under it may still be mended');
    await writeNames(whole);
    assert.deepEqual(await retireOldVersions('eu-1', 0), [place.tenantId]);
    assert.deepEqual(await damagedUnderOlder(place, await sealedCounts(place, older + 1)), []);
  });

  it('R2.5 opens nowhere any more once the key is destroyed, whoever kept a copy of the rows from before', async () => {
    const dump = await inTenant(place, ({ sql }) =>
      sql<{ id: string; sealed_name: Buffer }>('SELECT * FROM users'),
    );
    await destroyTenantKey(place, 'op_gone');
    await sleep(config().kms.cacheSeconds * 1000 + 200);
    assert.ok(dump.length > 0);
    await assert.rejects(keyringOf(place), /key of this tenant is gone/);
    // A tenant made anew under the same id has another key.
    await cellPlatform('eu-1').query('DELETE FROM platform.tenant_keys WHERE tenant_id = $1', [
      place.tenantId,
    ]);
    await ensureTenantKey(place, 'op_anew');
    await sleep(config().kms.cacheSeconds * 1000 + 200);
    const another = await keyringOf(place);
    for (const { id, sealed_name } of dump.slice(0, 10))
      assert.throws(() => another.open('users.sealed_name', id, sealed_name));
  });
});

const ids = Array.from({ length: 1_200 }, (_, at) => `usr_${at}`);
