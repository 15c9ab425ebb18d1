import { cachedKeys, type TenantKeys } from './key-cache.ts';
import { type Place, placeWithin, type Sql } from './scope.ts';
import { derive, keyedHash, openCommitted, sealCommitted, versionOf } from './secrets.ts';
import { derivedToken, type TokenKind } from './tokens.ts';

/**
 * What one tenant's key is used through: a key per purpose is derived from it, and every sealed value is bound to the
 * tenant, table, column and row it stands in, and to exactly one version of one key, so that it opens nowhere else and
 * to nothing else. There is no fallback: no key, no data. A keyring may be held for as long as an act takes; its keys
 * are looked up again meanwhile (models/key-cache.ts), and it throws once they are gone or may not be used.
 */
export type Keyring = {
  /** `column` is `table.column`, `row` the id of the row. Sealed under the newest version. */
  seal(column: Column, row: string, plain: string): Buffer;
  /** Throws when the value was changed, stands elsewhere, or its key is gone. */
  open(column: Column, row: string, sealed: Buffer): string;
  sealBytes(column: Column, row: string, plain: Uint8Array): Buffer;
  openBytes(column: Column, row: string, sealed: Buffer): Buffer;
  /** A keyed hash to look a sealed value up by: equal texts of one column of one tenant have equal hashes, always. */
  blindIndex(column: Column, text: string): string;
  /** The same each time it is asked for, whatever version seals by now: for mails that may be sent twice. */
  token(kind: TokenKind, purpose: string): string;
  recoveryHash(code: string): string;
  /** The version that seals at this moment. */
  version(): number;
};
export type Column = `${string}.${string}`;

export async function keyringOf(place: Place): Promise<Keyring> {
  const cached = await cachedKeys(place);
  cached.keys();
  return ringOf(place.tenantId, () => cached.keys());
}

/** Of the tenant whose transaction this is. */
export async function keyringWithin(sql: Sql): Promise<Keyring> {
  const place = placeWithin(sql);
  if (!place) throw new Error('bug: this is not a transaction of inTenant');
  return keyringOf(place);
}

/** For what has to go on without the key: it opens nothing. */
export const noKeyring: Keyring = ringOf('', () => {
  throw new Error('bug: something sealed is asked for where the key may be gone');
});

function ringOf(tenantId: string, keys: () => TenantKeys): Keyring {
  const belongs = (column: Column, row: string) => `${tenantId}/${column}/${row}`;
  const ring: Keyring = {
    sealBytes: (column, row, plain) => sealCommitted(keys().newest, Buffer.from(plain), belongs(column, row)),
    openBytes: (column, row, sealed) => openCommitted(keyFor(keys(), sealed), sealed, belongs(column, row)),
    seal: (column, row, plain) => ring.sealBytes(column, row, Buffer.from(plain)),
    open: (column, row, sealed) => ring.openBytes(column, row, sealed).toString(),
    blindIndex: (column, text) => keyedHash(keys().lasting.seed, `index/${column}/${text}`),
    token: (kind, purpose) => derivedToken(kind, tenantId, derive(keys().lasting.seed, 'tokens'), purpose),
    recoveryHash: (code) => keyedHash(keys().lasting.recovery, code.trim().toLowerCase()),
    version: () => keys().newest.version,
  };
  return ring;
}

function keyFor({ versions }: TenantKeys, sealed: Buffer) {
  const version = versionOf(sealed);
  const key = versions.get(version);
  if (!key) throw new Error(`sealed under version ${version} of the key, which is not there`);
  return key;
}
