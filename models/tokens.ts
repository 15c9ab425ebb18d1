import { derive, digest, freshKey, isSame } from './secrets.ts';

/** What people and programs are handed to prove themselves with: random texts, made so that a leak can be told. */
const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const checksumDigits = 6;

/** Random base62 text; 62 does not divide 256, so bytes past the last whole multiple are thrown away. */
function randomDigits(count: number): string {
  let text = '';
  while (text.length < count) {
    for (const byte of freshKey()) {
      if (byte < 248 && text.length < count) text += digits[byte % 62];
    }
  }
  return text;
}

/** As Standard Webhooks writes the secret that two sides sign with: 256 random bits. */
export function webhookSecret(): string {
  return `whsec_${freshKey().toString('base64')}`;
}

// No letters and digits that are read as one another, for these are typed from paper.
const legible = '23456789abcdefghjkmnpqrstuvwxyz';

/** `xxxxx-xxxxx`: 49 random bits, which is plenty behind a throttle. */
export function recoveryCode(): string {
  const letters: string[] = [];
  while (letters.length < 10) {
    for (const byte of freshKey()) {
      const letter = legible[byte % legible.length];
      if (byte < 248 && letter && letters.length < 10) letters.push(letter);
    }
  }
  return `${letters.slice(0, 5).join('')}-${letters.slice(5).join('')}`;
}

function checksum(text: string): string {
  let rest = Buffer.from(digest(text), 'hex').readUIntBE(0, 6);
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
  if (!isSame(checksum(text.slice(0, -checksumDigits)), text.slice(-checksumDigits))) return undefined;
  return { kind: match[1] as TokenKind, tenantId: `ten_${match[2]}`, hash: digest(text) };
}
