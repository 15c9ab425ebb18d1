import type { Row } from './batch.ts';
import type { Keyring } from './keyring.ts';

/** JSON in the sealed columns of one table, each bound to its column and to the id of its row. */
export const sealedJson = <Column extends string>(table: string) => ({
  seal: (keyring: Keyring, column: Column, id: string, value: unknown): Buffer =>
    keyring.seal(`${table}.${column}`, id, JSON.stringify(value ?? null)),
  /** Undefined where nothing is kept. */
  open(keyring: Keyring, column: Column, row: Row): unknown {
    const sealed = row[column];
    if (!Buffer.isBuffer(sealed)) return undefined;
    return JSON.parse(keyring.open(`${table}.${column}`, String(row.id), sealed));
  },
});
