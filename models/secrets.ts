import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hash,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';

/**
 * The one place that touches cryptography. The root key wraps one key per tenant and is the source of derived
 * secrets (login passwords, the key of hashed tokens); nothing is ever encrypted with it directly.
 *
 * A sealed value is: format (1 byte) | key version (2 bytes, big endian) | nonce (12) | ciphertext | tag (16).
 * AES-256-GCM with the tag length pinned (Node would accept a 4-byte tag otherwise); the associated data name where
 * the value belongs, so that a value moved elsewhere does not open.
 */
const format = 1;
const headerBytes = 3;
const nonceBytes = 12;
const tagBytes = 16;

export function derive(root: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', root, Buffer.alloc(0), `freehold/${purpose}`, 32));
}

export function seal(key: Buffer, version: number, plain: Buffer, belongs: string): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(format, 0);
  header.writeUInt16BE(version, 1);
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.concat([header, Buffer.from(belongs)]));
  return Buffer.concat([header, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Throws when the value was changed, belongs elsewhere, or was sealed with another key. */
export function open(key: Buffer, sealed: Buffer, belongs: string): Buffer {
  if (sealed.length < headerBytes + nonceBytes + tagBytes || sealed[0] !== format)
    throw new Error('not a sealed value');
  const header = sealed.subarray(0, headerBytes);
  const nonce = sealed.subarray(headerBytes, headerBytes + nonceBytes);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.concat([header, Buffer.from(belongs)]));
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  return Buffer.concat([
    decipher.update(sealed.subarray(headerBytes + nonceBytes, -tagBytes)),
    decipher.final(),
  ]);
}

export function freshKey(): Buffer {
  return randomBytes(32);
}

/** Names a key without telling anything about it; kept after the key is destroyed. */
export function fingerprint(key: Buffer): string {
  return digest(derive(key, 'fingerprint'));
}

export function digest(text: string | Buffer): string {
  return hash('sha256', text, 'hex');
}

/** Stands for a text without telling it: whoever lacks the key can neither read it nor try guesses against it. */
export function keyedHash(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const checksumDigits = 6;

/** Random base62 text; 62 does not divide 256, so bytes past the last whole multiple are thrown away. */
function randomDigits(count: number): string {
  let text = '';
  while (text.length < count) {
    for (const byte of randomBytes(count)) {
      if (byte < 248 && text.length < count) text += digits[byte % 62];
    }
  }
  return text;
}

function checksum(text: string): string {
  let rest = hash('sha256', text, 'buffer').readUIntBE(0, 6);
  let out = '';
  for (let i = 0; i < checksumDigits; i++) {
    out += digits[rest % 62];
    rest = Math.floor(rest / 62);
  }
  return out;
}

/** API keys, sign-in sessions, invitations, password resets. */
export type TokenKind = 'key' | 'ses' | 'inv' | 'rst';
const tokenPattern = /^fh_(key|ses|inv|rst)_([0-7][0-9a-hjkmnp-tv-z]{25})([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/;

/**
 * `fh_<kind>_<tenant><random><checksum>`: 190 random bits, and a checksum so that scanners can tell a leaked key
 * from noise. The tenant stands in it so that a key is looked up in its own tenant's schema and nowhere else: no
 * table of everybody's keys exists. (docs/decisions/2026-11-23-tokens-name-their-tenant.md)
 */
export function newToken(kind: TokenKind, tenantId: string): string {
  return withChecksum(`fh_${kind}_${tenantId.slice(4)}${randomDigits(32)}`);
}

/** As much of a token as may be shown and kept: enough to tell which one leaked, too little to use it. */
export function beginningOf(token: string): string {
  return token.slice(0, 'fh_key_'.length + 26 + 6);
}

/** A token that is the same each time it is asked for: for mails that may be sent twice. */
export function derivedToken(kind: TokenKind, tenantId: string, key: Buffer, purpose: string): string {
  const bytes = derive(key, `token/${purpose}`);
  const random = [...bytes].map((byte) => digits[byte % 62]).join('');
  return withChecksum(`fh_${kind}_${tenantId.slice(4)}${random}`);
}

function withChecksum(text: string): string {
  return text + checksum(text);
}

export function readToken(text: string): { kind: TokenKind; tenantId: string; hash: string } | undefined {
  const match = tokenPattern.exec(text);
  if (!match?.[1] || !match[2]) return undefined;
  const right = Buffer.from(checksum(text.slice(0, -checksumDigits)));
  if (!timingSafeEqual(right, Buffer.from(text.slice(-checksumDigits)))) return undefined;
  return { kind: match[1] as TokenKind, tenantId: `ten_${match[2]}`, hash: digest(text) };
}
