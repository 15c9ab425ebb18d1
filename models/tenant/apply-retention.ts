import { effective } from '../../policies/setting-inheritance.ts';
import { auditInTenant } from '../audit.ts';
import { keyringOf } from '../keyring.ts';
import { deletionSql, nameOf, type Retained, retained } from '../retention.ts';
import { inTenant, type Place, type Sql } from '../scope.ts';
import { purgeRequests } from '../system/quota-request.ts';
import { purgeMirror } from '../system/usage-mirror.ts';
import { inTenantAsOwner } from '../tenant-schema.ts';
import { requestDays } from '../usage-retained.ts';
import { type Deleted, writeReceipt } from './deletion-receipt.ts';
import { unheld } from './legal-hold.ts';
import { sourcesIn } from './settings.ts';
import { takeTurn } from './turn.ts';

/**
 * Deletes what is over in one tenant, a batch in each transaction. Each reads the setting anew, in its own turn: what
 * was said a moment ago counts. The tenant's role may not remove from its trail, so that is done as the tables' owner.
 */
export const batchRows = 500;
const batchesMax = 20;

export type Retention = { receipts: number; rows: number };

export async function applyRetention(place: Place): Promise<Retention> {
  const done = { receipts: 0, rows: 0 };
  const failures: unknown[] = [];
  // What cannot be deleted of one kind must not keep the others.
  for (const one of retained)
    await deleteAll(place, one, done).catch((failure: unknown) => failures.push(failure));
  await forgetMirrored(place).catch((failure: unknown) => failures.push(failure));
  if (failures.length > 0) throw failures[0];
  return done;
}

/**
 * What operators see of an organisation's days goes when the readings do that they are of, and what it asked for
 * when its own rows do; both are held with them. There is no receipt: the tenant's own sums stay.
 */
async function forgetMirrored(place: Place): Promise<void> {
  const { held, days } = await inTenant(place, async ({ sql }) => {
    await takeTurn(sql);
    const rule = await ruleOf(sql, place, { class: 'usage', days: 'retention.usageDays' });
    const [free] = await sql(`SELECT 1 WHERE ${unheld('usage', [])}`);
    return { held: !free, days: rule.days };
  });
  if (held) return;
  if (days !== null) await purgeMirror(place.tenantId, days);
  await purgeRequests(place.tenantId, requestDays);
}

async function deleteAll(place: Place, one: Retained, done: Retention): Promise<void> {
  const within = one.table === 'audit_events' ? inTenantAsOwner : inTenantSql;
  for (let batch = 0; batch < batchesMax; batch++) {
    const rows = await within(place, (sql) => deleteBatch(sql, place, one));
    if (rows === 0) return;
    done.receipts += 1;
    done.rows += rows;
    if (rows < batchRows) return;
  }
}

const inTenantSql = <T>(place: Place, act: (sql: Sql) => Promise<T>): Promise<T> =>
  inTenant(place, ({ sql }) => act(sql));

async function deleteBatch(sql: Sql, place: Place, one: Retained): Promise<number> {
  await takeTurn(sql);
  const { days, rule } = await ruleOf(sql, place, one);
  if (days === null) return 0;
  const deleted = await sql<Deleted>(deletionSql(one), [days, batchRows]);
  if (deleted.length === 0) return 0;
  const source = nameOf(one);
  const id = await writeReceipt(sql, { class: one.class, source, rule, deleted });
  await auditInTenant(sql, {
    actor: { kind: 'system', id: 'system:retention' },
    action: 'apply retention',
    subject: { type: 'DeletionReceipt', id },
    outcome: 'done',
    rule,
    details: { class: one.class, source, count: deleted.length },
  });
  return deleted.length;
}

/** How long it is kept by what the settings say now, and in words. */
export async function ruleOf(
  sql: Sql,
  place: Place,
  { days: key, class: kind }: Pick<Retained, 'days' | 'class'>,
): Promise<{ days: number | null; rule: string }> {
  if (typeof key === 'number') return { days: key, rule: `${kind} are kept for ${key} days` };
  const { value, origin } = effective(key, await sourcesIn(sql, undefined, () => keyringOf(place)));
  return { days: value, rule: `${key} = ${value} (${origin})` };
}
