import { typeidUnboxed } from 'typeid-js';

/**
 * Ids are a typed prefix and a random part that sorts by time (TypeID: base32 of a UUIDv7). A tenant's schema and
 * database role share one name made from its id, so no text a person typed ever becomes an identifier in SQL.
 */
export type IdKind =
  | 'ten'
  | 'op'
  | 'usr'
  | 'idn'
  | 'inv'
  | 'key'
  | 'ses'
  | 'agt'
  | 'evt'
  | 'req'
  | 'rst'
  | 'dut'
  | 'llm'
  | 'int'
  | 'dlv'
  | 'hld'
  | 'rcp'
  | 'wfl'
  | 'mem'
  | 'con'
  | 'run'
  | 'sch'
  | 'fir'
  | 'trg'
  | 'pkg'
  | 'chg'
  | 'prc'
  | 'qta'
  | 'qrq'
  | 'ntf'
  | 'rsn'
  | 'jnl';

/** A TypeID of this prefix, for example `ten_01k9…`. The first character is 0-7: 128 bits in 26 digits. */
export const idPattern = (kind: IdKind) => new RegExp(`^${kind}_[0-7][0-9a-hjkmnp-tv-z]{25}$`);

/** What a caller may call its request; it ends up in logs, trails and the headers of mails. */
export const requestIdPattern = /^[\w.-]{8,64}$/;

const tenantPattern = idPattern('ten');

export function newId(kind: IdKind): string {
  return typeidUnboxed(kind);
}

export function isTenantId(text: string): boolean {
  return tenantPattern.test(text);
}

/** Name of the schema and of the role of a tenant. Throws on anything that is not a tenant id. */
export function schemaOf(tenantId: string): string {
  if (!isTenantId(tenantId)) throw new Error('not a tenant id');
  return `t_${tenantId.slice(4)}`;
}
