import pg from 'pg';
import { cellOf, config, loginName, loginPassword } from '../models/databases.ts';
import { newId } from '../models/ids.ts';
import { inTenant, type Place } from '../models/scope.ts';
import { digest } from '../models/secrets.ts';
import { applyDefaults } from '../models/tenant/defaults.ts';
import { ensureTenantKey } from '../models/tenant-key.ts';
import { schemaSql } from '../models/tenant-schema.ts';
import { newToken } from '../models/tokens.ts';
import { planAt } from '../policies/plans.ts';
import { slugSkeleton } from '../policies/slug.ts';

/** Tenants made past the product, quickly: what a bench needs to be there before it measures. */
const plan = planAt('business', 1);
const connections = 2;

export async function connected(connectionString: string, more: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, ...more });
  await client.connect();
  return client;
}

/** Spread over as many logins as a cell of the default capacity has. */
const logins = 4;

export function readerUrl({ cell, login }: Place): string {
  const name = loginName(cell, login);
  return Object.assign(new URL(cellOf(cell).url), { username: name, password: loginPassword(name) }).href;
}

export function newPlaces(count: number, cell: string): Place[] {
  return Array.from({ length: count }, (_, at) => ({ tenantId: newId('ten'), cell, login: at % logins }));
}

/** Schemas and roles, by bare DDL. */
export async function fillCell(cell: string, places: Place[]): Promise<void> {
  const left = [...places];
  const fill = async () => {
    const client = await connected(cellOf(cell).url);
    for (let place = left.pop(); place; place = left.pop()) {
      await client.query(`BEGIN; ${schemaSql(place)}
        INSERT INTO platform.tenant_schemas (tenant_id, version) VALUES ('${place.tenantId}', 1); COMMIT`);
    }
    await client.end();
  };
  await Promise.all(Array.from({ length: connections }, fill));
}

/** The tenants' rows in the directory, as active ones. */
export async function enlist(region: string, places: Place[]): Promise<void> {
  const client = await connected(config().systemUrl);
  const rows = places.map(({ tenantId, cell, login }, at) => {
    const slug = `bench-${at}-${tenantId.slice(-6)}`;
    return { id: tenantId, slug, skeleton: slugSkeleton(slug), region, cell, login };
  });
  await client.query('BEGIN');
  const given = `jsonb_to_recordset($1::jsonb)
    AS t(id text, slug text, skeleton text, region text, cell text, login int)`;
  await client.query(
    `INSERT INTO tenants (id, slug, name, region, cell, login, plan, plan_version, state)
     SELECT id, slug, 'Bench ' || slug, region, cell, login, $2, $3, 'active' FROM ${given}`,
    [JSON.stringify(rows), plan.name, plan.version],
  );
  await client.query(
    `INSERT INTO slugs (slug, skeleton, tenant_id) SELECT slug, skeleton, id FROM ${given}`,
    [JSON.stringify(rows)],
  );
  await client.query(
    `INSERT INTO subscriptions (tenant_id, plan, plan_version, state) SELECT id, $2, $3, 'active' FROM ${given}`,
    [JSON.stringify(rows), plan.name, plan.version],
  );
  await client.query('COMMIT');
  await client.end();
}

export type Furnished = { place: Place; token: string; tokenHash: string; agentIds: string[] };

/** An active tenant with a key and agents inside. */
export async function furnish(place: Place, agents: number): Promise<Furnished> {
  const { tenantId } = place;
  const token = newToken('key', tenantId);
  const agentIds = Array.from({ length: agents }, () => newId('agt'));
  await ensureTenantKey(place, `bench-${tenantId}`);
  await inTenant(place, async (tenant) => {
    await applyDefaults(tenant, tenantId, plan, { quotas: {}, settings: {} });
    await tenant.sql("UPDATE tenant SET state = 'active'");
    const id = newId('key');
    await tenant.ApiKey.create({ id, name: 'bench', tokenHash: digest(token) });
    await tenant.RoleAssignment.create({ principalId: id, role: 'builder' });
    await tenant.sql(
      `INSERT INTO agents (id, name, name_key, description, model, tags)
       SELECT id, 'Agent ' || id, 'agent ' || id, 'Answers questions about orders', 'demo', '{support,orders}'
       FROM unnest($1::text[]) AS id`,
      [agentIds],
    );
  });
  return { place, token, tokenHash: digest(token), agentIds };
}

/** Tenants that can be used at once: schema, directory row, key and agents. */
export async function furnishedTenants(
  region: string,
  cell: string,
  count: number,
  agents: number,
): Promise<Furnished[]> {
  const places = newPlaces(count, cell);
  await fillCell(cell, places);
  await enlist(region, places);
  const tenants: Furnished[] = [];
  for (const place of places) tenants.push(await furnish(place, agents));
  const client = await connected(cellOf(cell).url);
  await client.query('ANALYZE');
  await client.end();
  return tenants;
}
