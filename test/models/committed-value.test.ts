import assert from 'node:assert/strict';
import { committedKey, freshKey, openCommitted, sealCommitted, versionOf } from '../../models/secrets.ts';

const key = Buffer.alloc(32, 7);
const plain = Buffer.from('a secret of acme');

describe('a committed value', () => {
  const committed = committedKey(key, 258);
  const where = 'ten_x/users.sealed_name/usr_1';
  // Made by Python's cryptography: HKDF-SHA-256 without a salt from 32 bytes of 7, 0 to 11 as nonce.
  const known = Buffer.from(
    'AgECinnjvrQDcDlmYGe2cTy5g9+XfcyZnOpVTtoiQ6nCMYoAAQIDBAUGBwgJCgvn40m5txaOd8DuEb4dT8teW3YV+snFd1iGlcsa',
    'base64',
  );

  it('R2.5 opens what was sealed elsewhere by the same format, from the tenant’s key alone', () => {
    assert.equal(openCommitted(committed, known, where).toString(), 'known answer');
    assert.equal(versionOf(known), 258);
    assert.ok(sealCommitted(committed, plain, where).subarray(3, 35).equals(known.subarray(3, 35)));
  });

  it('R2.5 opens under no other key, though all that is checked before it decrypts is made to fit', () => {
    const other = committedKey(freshKey(), 258);
    assert.throws(() => openCommitted(other, known, where), /another key/);
    const forged = Buffer.from(known);
    other.commitment.copy(forged, 3);
    assert.throws(() => openCommitted(other, forged, where));
    assert.throws(() => openCommitted({ ...committed, commitment: other.commitment }, forged, where));
    assert.throws(() => openCommitted(committedKey(key, 259), known, where), /another version/);
  });

  it('R2.5 has a nonce of its own, a million times over', () => {
    // Told apart by 64 of their 96 bits, as numbers, which are small: two alike by chance are one case in 37 million.
    const seen = new Set<bigint>();
    let repeated = 0;
    for (let count = 0; count < 1_000_000; count++) {
      const nonce = sealCommitted(committed, plain, where).subarray(35, 47);
      const short = nonce.readBigUInt64BE(4);
      if (seen.has(short)) repeated++;
      seen.add(short);
    }
    assert.equal(repeated, 0);
  }).timeout(120_000);
});
