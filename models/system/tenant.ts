import { LRUCache } from 'lru-cache';
import { Refusal } from '../../policies/refusal.ts';
import { slugHeldDays, slugSkeleton } from '../../policies/slug.ts';
import type { Statement } from '../batch.ts';
import { config } from '../databases.ts';
import { isDuplicate, type Place, readInSystem, type SystemScope } from '../scope.ts';
import { noteWeight } from '../weights.ts';

/**
 * The directory: which tenants there are, under which address, and in which cell. The system tenant, whose members
 * are the operators, is no row of it: it has an id known to all, lives in the first cell of the home region, and
 * nothing in a tenant's lifecycle applies to it.
 */
export const systemTenantId = 'ten_00000000000000000000000000';

export function systemPlace(): Place {
  const home = config().regions.find((region) => region.name === config().homeRegion);
  const cell = home?.cells[0];
  if (!cell) throw new Error('the home region has no cell');
  return { tenantId: systemTenantId, cell: cell.name, login: 0 };
}

const places = new LRUCache<string, Place & { region: string }>({ max: 10_000 });

/** Where a tenant lives. Cached for good: a place changes only by a region move, which renames nothing silently. */
export async function placeOf(tenantId: string): Promise<(Place & { region: string }) | undefined> {
  if (tenantId === systemTenantId) return { ...systemPlace(), region: config().homeRegion };
  const known = places.get(tenantId);
  if (known) return known;
  const [rows] = await readInSystem('platform', [
    {
      text: `SELECT t.cell, t.login, t.region, (p.terms->>'weight')::float8 AS weight
             FROM tenants t JOIN plans p ON p.name = t.plan AND p.version = t.plan_version
             WHERE t.id = $1 AND t.state <> 'deleted'`,
      values: [tenantId],
    },
  ]);
  const [row] = rows ?? [];
  if (!row) return undefined;
  const place = { tenantId, cell: String(row.cell), login: Number(row.login), region: String(row.region) };
  places.set(tenantId, place);
  noteWeight(tenantId, Number(row.weight));
  return place;
}

export function forgetPlace(tenantId: string): void {
  places.delete(tenantId);
}

export type Address = { tenantId: string; slug: string; current: boolean };

/** Whom an address leads to: its tenant, or the tenant that was called so within the last 90 days. */
export async function addressOf(slug: string): Promise<Address | undefined> {
  const [rows] = await readInSystem('platform', [
    {
      text: `SELECT s.tenant_id, t.slug FROM slugs s JOIN tenants t ON t.id = s.tenant_id
             WHERE s.slug = $1 AND t.state NOT IN ('failed', 'deleted') AND (s.held_until IS NULL OR s.held_until > now())`,
      values: [slug],
    },
  ]);
  const [row] = rows ?? [];
  if (!row) return undefined;
  return { tenantId: String(row.tenant_id), slug: String(row.slug), current: row.slug === slug };
}

/** A place in the emptiest cell of the region that has room, counted at once so that two never share the last one. */
export async function reservePlace(
  system: SystemScope,
  region: string,
): Promise<{ cell: string; login: number }> {
  const [reserved] = await system.sql<{ cell: string; login: number }>(
    `WITH chosen AS (
       UPDATE cells SET tenants = tenants + 1 WHERE name = (
         SELECT name FROM cells WHERE region = $1 AND tenants < capacity ORDER BY tenants, name LIMIT 1 FOR UPDATE)
       RETURNING name)
     UPDATE logins SET tenants = tenants + 1 WHERE (cell, number) = (
       SELECT cell, number FROM logins WHERE cell = (SELECT name FROM chosen) ORDER BY tenants, number LIMIT 1)
     RETURNING cell, number AS login`,
    [region],
  );
  if (!reserved)
    throw new Refusal(
      'unprocessable',
      `Region ${region} has no cell with room; add a cell or choose another region.`,
    );
  return reserved;
}

export async function releasePlace(
  system: SystemScope,
  { cell, login }: { cell: string; login: number },
): Promise<void> {
  await system.sql('UPDATE cells SET tenants = tenants - 1 WHERE name = $1', [cell]);
  await system.sql('UPDATE logins SET tenants = tenants - 1 WHERE cell = $1 AND number = $2', [cell, login]);
}

/** Whether an address is free: nobody has it, had it lately, or has one that looks like it. */
export async function addressFault(
  system: SystemScope,
  slug: string,
  except?: string,
): Promise<string | undefined> {
  const [taken] = await system.sql<{ slug: string; tenant_id: string; held: boolean }>(
    `SELECT slug, tenant_id, held_until IS NOT NULL AS held FROM slugs
     WHERE skeleton = $1 AND (held_until IS NULL OR held_until > now())`,
    [slugSkeleton(slug)],
  );
  if (!taken || (taken.tenant_id === except && taken.slug === slug)) return undefined;
  if (taken.tenant_id === except)
    return `“${slug}” looks like “${taken.slug}”, an address this tenant has or had itself.`;
  if (taken.slug !== slug) return `“${slug}” looks like “${taken.slug}”, which is taken.`;
  return taken.held
    ? `“${slug}” was used until recently and is held back for ${slugHeldDays} days.`
    : `“${slug}” is already taken.`;
}

/** Takes an address for a tenant; the constraint decides between two who ask at once. */
export async function takeAddress(system: SystemScope, slug: string, tenantId: string): Promise<void> {
  const skeleton = slugSkeleton(slug);
  await system.sql('DELETE FROM slugs WHERE skeleton = $1 AND (held_until <= now() OR tenant_id = $2)', [
    skeleton,
    tenantId,
  ]);
  try {
    await system.Slug.create({ slug, skeleton, tenantId });
  } catch (cause) {
    if (!isDuplicate(cause)) throw cause;
    throw new Refusal('conflict', `The address “${slug}” is taken, or looks like one that is.`, {
      cause,
      errors: [{ pointer: '/slug', code: 'taken', detail: `“${slug}” is taken, or looks like one that is.` }],
    });
  }
}

/** The old address keeps leading to the tenant (or, of a deleted tenant, to no one) for 90 days. */
export async function holdAddress(system: SystemScope, slug: string): Promise<void> {
  await system.sql(
    `UPDATE slugs SET held_until = now() + make_interval(days => ${slugHeldDays}) WHERE slug = $1`,
    [slug],
  );
}

export async function freeAddresses(system: SystemScope, tenantId: string): Promise<void> {
  await system.sql('DELETE FROM slugs WHERE tenant_id = $1', [tenantId]);
}

/** The tenants of a region whose data is kept and deleted by rule, a page at a time: those that are being deleted are not. */
export async function tenantsOfRegion(region: string, after: string, limit: number): Promise<string[]> {
  const [rows = []] = await readInSystem('platform', [
    {
      text: `SELECT id FROM tenants WHERE region = $1 AND state IN ('active', 'suspended') AND id > $2 ORDER BY id LIMIT $3`,
      values: [region, after, limit],
    },
  ]);
  return rows.map((row) => String(row.id));
}

const columns = `id, slug, name, region, cell, plan, plan_version, state, state_reason, deletion_due, tombstone, version,
  created_at, updated_at`;

export function tenantById(id: string): Statement {
  return { text: `SELECT ${columns} FROM tenants WHERE id = $1`, values: [id] };
}

export type TenantFilter = {
  state?: string | undefined;
  region?: string | undefined;
  slug?: string | undefined;
};

export function tenantList(filter: TenantFilter, after: string | undefined, limit: number): Statement {
  return {
    text: `SELECT ${columns} FROM tenants
           WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR region = $2) AND ($3::text IS NULL OR slug = $3)
             AND ($4::text IS NULL OR id < $4)
           ORDER BY id DESC LIMIT $5`,
    values: [filter.state ?? null, filter.region ?? null, filter.slug ?? null, after ?? null, limit],
  };
}
