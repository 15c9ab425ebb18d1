import { schemaOf } from '../models/ids.ts';
import { keyringOf } from '../models/keyring.ts';
import { inTenant, type Place, readInSystem, readInTenant, sqlState } from '../models/scope.ts';
import { Refusal } from '../policies/refusal.ts';
import { activity, placeFor, type Step } from './activity.ts';

/**
 * A tenant is called active only after each of these was tried as the tenant itself: its rows are there, another
 * schema is refused, without a context nothing is seen, its key opens what it sealed, its subscription stands.
 */
export const probeTenant = activity(['create', 'Tenant'], async ({ tenantId }: Step) => {
  const place = await placeFor(tenantId);
  await Promise.all([
    ownRows(place),
    elsewhereRefused(place),
    nothingWithoutContext(place),
    keyWorks(place),
    subscribed(tenantId),
  ]);
});

function insist(found: boolean, what: string): void {
  if (!found) throw new Refusal('conflict', `The new tenant did not pass its probe: ${what}.`);
}

async function ownRows(place: Place): Promise<void> {
  const schema = schemaOf(place.tenantId);
  const [rows] = await readInTenant(place, [
    {
      text: `SELECT (SELECT count(*)::int FROM ${schema}.tenant) AS tenant, (SELECT count(*)::int FROM ${schema}.quotas) AS quotas,
               (SELECT count(*)::int FROM ${schema}.settings) AS settings, (SELECT count(*)::int FROM ${schema}.roles) AS roles,
               (SELECT count(*)::int FROM ${schema}.invitations WHERE state = 'pending' AND token_hash IS NOT NULL) AS invitations`,
      values: [],
    },
  ]);
  for (const [table, count] of Object.entries(rows?.[0] ?? {}))
    insist(Number(count) > 0, `it has no readable row in ${table}`);
}

async function elsewhereRefused(place: Place): Promise<void> {
  try {
    // Interactive rather than a batch: a refused batch would cost its connection.
    await inTenant(place, ({ sql }) => sql('SELECT 1 FROM platform.tenant_keys LIMIT 1'));
  } catch (cause) {
    if (sqlState(cause) === '42501') return;
    throw cause;
  }
  insist(false, 'it can read what is not its own');
}

async function nothingWithoutContext(place: Place): Promise<void> {
  const [, rows] = await readInTenant(place, [
    { text: "SELECT set_config('app.tenant', '', true)", values: [] },
    { text: `SELECT count(*)::int AS seen FROM ${schemaOf(place.tenantId)}.quotas`, values: [] },
  ]);
  insist(rows?.[0]?.seen === 0, 'its rows are seen without its context');
}

async function keyWorks(place: Place): Promise<void> {
  const keyring = await keyringOf(place);
  const sealed = keyring.seal('tenant.probe', place.tenantId, 'probe');
  insist(
    keyring.open('tenant.probe', place.tenantId, sealed) === 'probe',
    'its key does not open what it sealed',
  );
}

async function subscribed(tenantId: string): Promise<void> {
  const [rows] = await readInSystem(tenantId, [
    { text: "SELECT tenant_id FROM subscriptions WHERE state = 'active'", values: [] },
  ]);
  insist(rows?.length === 1 && rows[0]?.tenant_id === tenantId, 'it has no active subscription of its own');
}
