import { schemaOf } from '../models/ids.ts';
import { inTenant, type Place, readInSystem, readInTenant } from '../models/scope.ts';
import { recordCheck } from '../models/tenant/integration-health.ts';
import type { Principal } from '../policies/principal.ts';
import { log } from '../telemetry.ts';
import { wakeWebhooks } from '../temporal/webhooks.ts';
import { activity, placeFor } from './activity.ts';
import { checkIntegration } from './integration/check.ts';
import { openIntegration } from './integration/opened.ts';

/**
 * Looks after the tenants of a region, a page at a time: checks integrations whose last check is long ago, and wakes
 * webhooks that are due and were left (the process died between the act and the waking). One tenant’s trouble is no
 * reason to leave the others.
 */
export type Watching = { region: string; after?: string };
const tenantsAtOnce = 8;
const pageMax = 50;
const checksMax = 20;
const watcher: Principal = { kind: 'system', id: 'system:integrations' };

export const watchPage = activity(
  ['update', 'Integration'],
  async ({ region, after = '' }: Watching): Promise<{ after: string | null }> => {
    const [rows = []] = await readInSystem('platform', [
      {
        text: "SELECT id FROM tenants WHERE region = $1 AND state = 'active' AND id > $2 ORDER BY id LIMIT $3",
        values: [region, after, pageMax],
      },
    ]);
    const ids = rows.map(({ id }) => String(id));
    const waiting = [...ids];
    const inTurn = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) await watchOne(next);
    };
    await Promise.all(Array.from({ length: tenantsAtOnce }, inTurn));
    return { after: ids.length === pageMax ? (ids.at(-1) ?? null) : null };
  },
);

async function watchOne(tenantId: string): Promise<void> {
  try {
    const place = await placeFor(tenantId);
    const { overdue, left } = await dueIn(place);
    for (const id of overdue) await recheck(place, id);
    if (left || overdue.length > 0) await wakeWebhooks(place);
  } catch (error) {
    log.warn({ tenantId, error: String(error) }, 'the integrations of a tenant could not be looked after');
  }
}

/** What works is tried four times a day, what fails twice an hour; what nobody has tried yet is left to people. */
async function dueIn(place: Place): Promise<{ overdue: string[]; left: boolean }> {
  const schema = schemaOf(place.tenantId);
  // The tenant's own row says it first when it is suspended.
  const [[tenant] = [], overdue = [], left = []] = await readInTenant(place, [
    { text: `SELECT state FROM ${schema}.tenant`, values: [] },
    {
      text: `SELECT id FROM ${schema}.integrations
             WHERE (state = 'active' AND checked_at < now() - interval '6 hours')
                OR (state = 'failing' AND checked_at < now() - interval '30 minutes')
             ORDER BY checked_at LIMIT ${checksMax}`,
      values: [],
    },
    {
      text: `SELECT 1 FROM ${schema}.webhook_deliveries WHERE state = 'pending' AND due_at < now() LIMIT 1`,
      values: [],
    },
  ]);
  if (tenant?.state !== 'active') return { overdue: [], left: false };
  return { overdue: overdue.map(({ id }) => String(id)), left: left.length > 0 };
}

async function recheck(place: Place & { region: string }, id: string): Promise<void> {
  const { connection } = await openIntegration(place, id, { actor: watcher, limits: { totalMs: 15_000 } });
  const found = await checkIntegration(connection);
  await inTenant(place, ({ sql }) => recordCheck(sql, id, found, watcher));
}
