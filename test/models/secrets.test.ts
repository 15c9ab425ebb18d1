import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { newId } from '../../models/ids.ts';
import { derive, digest, fingerprint, freshKey, keyedHash, open, seal } from '../../models/secrets.ts';
import { derivedToken, newToken, readToken, type TokenKind } from '../../models/tokens.ts';

const key = Buffer.alloc(32, 7);
const plain = Buffer.from('a secret of acme');
const belongs = 'ten_x/agents/key/agt_1';

describe('a sealed value', () => {
  it('R2.4 opens to what was sealed, of any length, in any place', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.string(),
        fc.integer({ min: 0, max: 65_535 }),
        (bytes, place, version) => {
          const given = Buffer.from(bytes);
          assert.ok(open(key, seal(key, version, given, place), place).equals(given));
        },
      ),
    );
  });

  it('R2.4 is laid out as documented, and is opened by plain AES-256-GCM alone', async () => {
    const sealed = seal(key, 258, plain, belongs);
    assert.deepEqual([...sealed.subarray(0, 3)], [1, 1, 2]);
    assert.equal(sealed.length, 3 + 12 + plain.length + 16);
    // WebCrypto shares no code path with node:crypto's ciphers: an independent reader of the same format.
    const imported = await crypto.subtle.importKey('raw', new Uint8Array(key), 'AES-GCM', false, ['decrypt']);
    const additionalData = Buffer.concat([sealed.subarray(0, 3), Buffer.from(belongs)]);
    const algorithm = { name: 'AES-GCM', iv: sealed.subarray(3, 15), additionalData, tagLength: 128 };
    const opened = await crypto.subtle.decrypt(algorithm, imported, sealed.subarray(15));
    assert.ok(Buffer.from(opened).equals(plain));
  });

  it('R2.4 opens a value that was sealed elsewhere by the same format', () => {
    // Made by Python's cryptography: 32 bytes of 7 as key, 0 to 11 as nonce.
    const known = 'AQABAAECAwQFBgcICQoLc++GB3MpuCcExYDuG8mQEL721eF1IcGwHLcxAA==';
    assert.equal(open(key, Buffer.from(known, 'base64'), 'here').toString(), 'known answer');
  });

  it('R2.4 does not open when any bit of it is changed', () => {
    const sealed = seal(key, 1, plain, belongs);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      assert.throws(() => open(key, changed, belongs), `bit ${bit}`);
    }
  });

  it('R2.4 does not open when it is cut, lengthened or has a short tag', () => {
    const sealed = seal(key, 1, plain, belongs);
    for (let length = 0; length < sealed.length; length++)
      assert.throws(() => open(key, sealed.subarray(0, length), belongs), `${length} bytes`);
    assert.throws(() => open(key, Buffer.concat([sealed, Buffer.alloc(1)]), belongs));
    // Node takes a tag of four bytes unless told otherwise, and four bytes can be guessed.
    assert.throws(() => open(key, seal(key, 1, Buffer.alloc(0), belongs).subarray(0, 19), belongs));
  });

  it('R2.4 does not open in another place, under another version, or with another key', () => {
    const sealed = seal(key, 1, plain, belongs);
    for (const elsewhere of ['', 'ten_y/agents/key/agt_1', `${belongs} `, belongs.slice(0, -1)])
      assert.throws(() => open(key, sealed, elsewhere), elsewhere);
    const other = Buffer.from(sealed);
    other.writeUInt16BE(2, 1);
    assert.throws(() => open(key, other, belongs));
    assert.throws(() => open(freshKey(), sealed, belongs));
    assert.throws(() => open(derive(key, 'x'), sealed, belongs));
  });

  it('R2.4 never looks the same twice', () => {
    const sealed = Array.from({ length: 200 }, () => seal(key, 1, plain, belongs));
    const nonces = new Set(sealed.map((each) => each.subarray(3, 15).toString('hex')));
    assert.equal(nonces.size, 200);
  });
});

describe('a derived key', () => {
  it('R2.4 is another for every purpose and every root, and the same each time', () => {
    const purposes = ['login/a', 'login/b', 'tenant-keys', 'fingerprint', ''];
    const keys = purposes.flatMap((purpose) => [derive(key, purpose), derive(freshKey(), purpose)]);
    assert.equal(new Set(keys.map((each) => each.toString('hex'))).size, keys.length);
    assert.ok(derive(key, 'tenant-keys').equals(derive(Buffer.from(key), 'tenant-keys')));
    assert.ok(keys.every((each) => each.length === 32 && !each.equals(key)));
  });

  it('R2.4 is named by a fingerprint that is not a hash of the key itself', () => {
    assert.match(fingerprint(key), /^[0-9a-f]{64}$/);
    assert.notEqual(fingerprint(key), digest(key));
    assert.notEqual(fingerprint(key), fingerprint(freshKey()));
  });
});

describe('a token', () => {
  const tenantId = newId('ten');
  const kinds: TokenKind[] = ['key', 'ses', 'inv'];

  it('R3.1 names its kind and its tenant, and is read back', () => {
    for (const kind of kinds) {
      const token = newToken(kind, tenantId);
      assert.deepEqual(readToken(token), { kind, tenantId, hash: digest(token) });
    }
  });

  it('R4.5 is not read when any character is another, missing or added', () => {
    const token = newToken('key', tenantId);
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === 'a' ? 'b' : 'a';
      assert.equal(readToken(token.slice(0, at) + other + token.slice(at + 1)), undefined, `at ${at}`);
      assert.equal(readToken(token.slice(0, at) + token.slice(at + 1)), undefined, `without ${at}`);
    }
    for (const text of [
      '',
      ` ${token}`,
      `${token}\n`,
      `${token}a`,
      token.toUpperCase(),
      token.replace('key', 'ses'),
    ])
      assert.equal(readToken(text), undefined, text);
  });

  it('R4.5 is read from no text that nobody issued', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        assert.equal(readToken(text), undefined);
      }),
    );
  });

  it('R4.5 cannot be guessed: its random part uses every digit evenly and never repeats', () => {
    const tokens = Array.from({ length: 2_000 }, () => newToken('key', tenantId).slice(-38, -6));
    assert.equal(new Set(tokens).size, tokens.length);
    const counts = new Map<string, number>();
    for (const digit of tokens.join('')) counts.set(digit, (counts.get(digit) ?? 0) + 1);
    assert.equal(counts.size, 62);
    const expected = (2_000 * 32) / 62;
    // Six standard deviations; a bias from taking bytes modulo 62 would be 25 % for eight of the digits.
    const allowed = 6 * Math.sqrt(expected);
    for (const [digit, count] of counts)
      assert.ok(Math.abs(count - expected) < allowed, `${digit}: ${count}`);
  });

  it('R1.3 that is derived is the same for the same purpose, and another for another', () => {
    const derived = (purpose: string, from: Buffer = key) => derivedToken('inv', tenantId, from, purpose);
    assert.equal(derived('inv_1'), derived('inv_1'));
    assert.notEqual(derived('inv_1'), derived('inv_2'));
    assert.notEqual(derived('inv_1'), derived('inv_1', freshKey()));
    assert.equal(readToken(derived('inv_1'))?.tenantId, tenantId);
  });

  it('R4.1 is found by scanners as docs/api-keys.md says, and told from noise by the checksum it describes', async () => {
    const written = /^ {4}(fh_.+)$/m.exec(await readFile('docs/api-keys.md', 'utf8'))?.[1];
    const pattern = new RegExp(written ?? '(?!)', 'g');
    const [token, other] = [newToken('key', newId('ten')), newToken('ses', newId('ten'))];
    const noise = `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`;
    assert.deepEqual(`{"key":"${token}"}\n${noise} ${other}`.match(pattern), [token, noise, other]);
    // In the document's words, and so not by our own code: whole numbers of six bytes are exact.
    const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    const bytes = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(token.slice(0, -6))));
    const lowest = Array.from({ length: 6 }, (_, at) => Math.floor(bytes.readUIntBE(0, 6) / 62 ** at) % 62);
    assert.equal(token.slice(-6), lowest.map((digit) => digits[digit]).join(''));
    assert.equal(readToken(noise), undefined);
  });
});

describe('a keyed hash', () => {
  it('R2.5 is HMAC-SHA-256, as RFC 4231 has it', () => {
    const cases = [
      ['0b'.repeat(20), 'Hi There', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
      [
        Buffer.from('Jefe').toString('hex'),
        'what do ya want for nothing?',
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      ],
    ];
    for (const [hex = '', text = '', expected] of cases)
      assert.equal(keyedHash(Buffer.from(hex, 'hex'), text), expected);
  });

  it('R2.5 differs with every key and every text, and tells neither', () => {
    const texts = ['ada@acme.example', 'ada@acme.exampl', ''];
    const hashes = [key, derive(key, 'other')].flatMap((each) => texts.map((text) => keyedHash(each, text)));
    assert.ok(new Set(hashes).size === 6 && hashes.every((each) => /^[0-9a-f]{64}$/.test(each)));
  });
});
