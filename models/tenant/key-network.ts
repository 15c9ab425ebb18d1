import { keyringWithin } from '../keyring.ts';
import type { Sql } from '../scope.ts';

/** More of them in one hour say nothing more. */
const countedMax = 1_000;

/** That a key was used from a network, under a hash that only this tenant's key can make; once an hour for each. */
export async function noteNetwork(sql: Sql, keyId: string, network: string): Promise<void> {
  const hashed = (await keyringWithin(sql)).blindIndex('key_networks.network', `${keyId}/${network}`);
  await sql(
    `INSERT INTO key_networks (key_id, hour, network) SELECT $1, date_bin('1 hour', now(), 'epoch'), $2
     WHERE (SELECT count(*) FROM key_networks WHERE key_id = $1 AND hour = date_bin('1 hour', now(), 'epoch')) < ${countedMax}
     ON CONFLICT DO NOTHING`,
    [keyId, hashed],
  );
}
