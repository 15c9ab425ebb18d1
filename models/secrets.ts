import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
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
  return sealBehind(header, key, plain, belongs);
}

function sealBehind(header: Buffer, key: Buffer | KeyObject, plain: Buffer, belongs: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.concat([header, Buffer.from(belongs)]));
  return Buffer.concat([header, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Throws when the value was changed, belongs elsewhere, or was sealed with another key. */
export function open(key: Buffer, sealed: Buffer, belongs: string): Buffer {
  if (sealed.length < headerBytes + nonceBytes + tagBytes || sealed[0] !== format)
    throw new Error('not a sealed value');
  return openBehind(headerBytes, key, sealed, belongs);
}

function openBehind(length: number, key: Buffer | KeyObject, sealed: Buffer, belongs: string): Buffer {
  const header = sealed.subarray(0, length);
  const nonce = sealed.subarray(length, length + nonceBytes);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.concat([header, Buffer.from(belongs)]));
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  const plain = decipher.update(sealed.subarray(length + nonceBytes, -tagBytes));
  // Throws unless the tag fits; GCM has nothing left to give here, and to join it on cost a tenth of the whole.
  decipher.final();
  return plain;
}

/**
 * A key of one version that sealed values are committed to: GCM alone would let one ciphertext be made that opens under
 * two keys, each time to another text. A committed value is: format (1 byte) | version (2) | commitment (32) | nonce
 * (12) | ciphertext | tag (16). The commitment is derived from the key, so it tells nothing of it, and fits no other.
 */
export type CommittedKey = { version: number; key: KeyObject; commitment: Buffer };
const committedFormat = 2;
const commitmentBytes = 32;
const committedHeaderBytes = headerBytes + commitmentBytes;

export function committedKey(tenantKey: Buffer, version: number): CommittedKey {
  return {
    version,
    // Made ready once: to open a short text by the bare bytes took five times as long, 55 µs instead of 11.
    key: createSecretKey(derive(tenantKey, 'fields')),
    commitment: derive(tenantKey, 'fields/commitment'),
  };
}

export function sealCommitted(
  { version, key, commitment }: CommittedKey,
  plain: Buffer,
  belongs: string,
): Buffer {
  const header = Buffer.alloc(committedHeaderBytes);
  header.writeUInt8(committedFormat, 0);
  header.writeUInt16BE(version, 1);
  commitment.copy(header, headerBytes);
  return sealBehind(header, key, plain, belongs);
}

/** Which version of the key a committed value was sealed under; throws on what is none. */
export function versionOf(sealed: Buffer): number {
  if (sealed.length < committedHeaderBytes + nonceBytes + tagBytes || sealed[0] !== committedFormat)
    throw new Error('not a sealed value');
  return sealed.readUInt16BE(1);
}

export function openCommitted(
  { version, key, commitment }: CommittedKey,
  sealed: Buffer,
  belongs: string,
): Buffer {
  if (versionOf(sealed) !== version) throw new Error('sealed under another version of the key');
  if (!timingSafeEqual(sealed.subarray(headerBytes, committedHeaderBytes), commitment))
    throw new Error('sealed under another key');
  return openBehind(committedHeaderBytes, key, sealed, belongs);
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

/** Compared in a time that tells nothing of where they differ. */
export function isSame(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}

// What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410).
const ed25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
const signer = (seed: Buffer) =>
  createPrivateKey({ key: Buffer.concat([ed25519, seed]), format: 'der', type: 'pkcs8' });

/** Ed25519 over the text; the same seed always gives the same key. */
export function signature(seed: Buffer, text: string): string {
  return sign(null, Buffer.from(text), signer(seed)).toString('base64url');
}

export function isSignatureOf(seed: Buffer, text: string, signed: string): boolean {
  return verify(null, Buffer.from(text), createPublicKey(signer(seed)), Buffer.from(signed, 'base64url'));
}
