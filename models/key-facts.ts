import { cellPlatform, config } from './databases.ts';
import type { Place } from './scope.ts';
import { knownAfterSeconds } from './tenant-key.ts';

/** What may be known of keys: which there are, what became of them, under what they are wrapped. Never a byte of one. */
export type KeyFacts = {
  version: number;
  fingerprint: string;
  state: 'sealing' | 'opening' | 'retired' | 'destroyed';
  createdAt: Date;
  supersededAt: Date | null;
  endedAt: Date | null;
  rootKey: string;
  customerArn: string | null;
  customerEndpoint: string | null;
  customerSince: Date | null;
};

/** What was there by then is known everywhere, and seals; until then the version before it does. */
const known = 'clock_timestamp() - make_interval(secs => $2)';

export async function keyFacts({ cell, tenantId }: Pick<Place, 'cell' | 'tenantId'>): Promise<KeyFacts[]> {
  const { rows } = await cellPlatform(cell).query<KeyFacts>(
    `SELECT version, fingerprint, created_at AS "createdAt", superseded_at AS "supersededAt",
       destroyed_at AS "endedAt", coalesce(root, 'file') AS "rootKey",
       customer_arn AS "customerArn", customer_endpoint AS "customerEndpoint", customer_since AS "customerSince",
       CASE WHEN retired_at IS NOT NULL THEN 'retired' WHEN destroyed_at IS NOT NULL THEN 'destroyed'
         WHEN superseded_at < ${known} THEN 'opening' WHEN superseded_at IS NOT NULL THEN 'sealing'
         WHEN created_at >= ${known} AND count(wrapped) OVER () > 1 THEN 'opening' ELSE 'sealing' END AS state
     FROM platform.tenant_keys WHERE tenant_id = $1 ORDER BY version DESC`,
    [tenantId, knownAfterSeconds()],
  );
  return rows;
}

export type RootUse = { name: string; keys: number };

/** How many tenant keys of all cells are under which root key. */
export async function rootKeyUses(unnamed: string): Promise<RootUse[]> {
  const uses = new Map<string, number>();
  for (const { name } of config().regions.flatMap((region) => region.cells)) {
    const { rows } = await cellPlatform(name).query<RootUse>(
      `SELECT coalesce(root, $1) AS name, count(*)::int AS keys FROM platform.tenant_keys
       WHERE wrapped IS NOT NULL GROUP BY 1`,
      [unnamed],
    );
    for (const { name: root, keys } of rows) uses.set(root, (uses.get(root) ?? 0) + keys);
  }
  return [...uses].map(([name, keys]) => ({ name, keys }));
}
