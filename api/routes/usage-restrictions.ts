import { z } from 'zod';
import { releaseRunsNow } from '../../activities/run/release.ts';
import { forUpdate, type Row, type Statement } from '../../models/batch.ts';
import { type Place, readInTenant } from '../../models/scope.ts';
import { placeOf, tenantById } from '../../models/system/tenant.ts';
import { namesOf } from '../../models/tenant/usage-names.ts';
import { liftStatements, restrictionById, restrictionList } from '../../models/tenant/usage-restriction.ts';
import { Refusal } from '../../policies/refusal.ts';
import { platformRead, platformWrite } from '../platform-route.ts';
import { presentPage } from '../present.ts';
import { id, line, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';
import { presentRestriction, restriction } from '../usage-restriction.ts';
import { tenantParams } from './tenants.ts';

const tag = 'Usage';
const params = z.strictObject({ restrictionId: id('rsn') });
const query = z.strictObject({
  ...pagingBy('rsn'),
  holding: z.stringbool().optional().meta({ description: 'Only what holds just now, or only what is over.' }),
});

export const listRestrictions = tenantRead({
  method: 'get',
  path: '/usage-restrictions',
  tag,
  summary: 'What is restricted just now and what was, newest first',
  permit: ['read', 'UsageRestriction'],
  query,
  answers: { 200: page(restriction) },
  load: ({ tenantId, query: { limit, ...filter } }) => restrictionList(tenantId, filter, limit + 1),
  handle: async ({ rows, query, place, rights, ids }) => {
    const names = await namesOf(place, { rights, ids }, rows.map(scopeIdOf));
    const present = (row: Row) => presentRestriction(row, names);
    return { status: 200, body: presentPage(rows, query.limit, present) };
  },
});

export const readRestriction = tenantRead({
  method: 'get',
  path: '/usage-restrictions/:restrictionId',
  tag,
  summary: 'One restriction: for whom, why, until when, and what to do',
  permit: ['read', 'UsageRestriction'],
  params,
  answers: { 200: restriction },
  load: ({ tenantId, params: { restrictionId } }) => restrictionById(tenantId, restrictionId),
  handle: async ({ row, place, rights, ids }) => {
    const names = await namesOf(place, { rights, ids }, [scopeIdOf(row)]);
    return { status: 200, body: presentRestriction(row, names) };
  },
});

export const liftUsageRestriction = tenantWrite({
  method: 'delete',
  path: '/usage-restrictions/:restrictionId',
  tag,
  summary:
    'Lift a restriction that the organisation’s own rules made; it does not begin again for the same cause',
  permit: ['lift', 'UsageRestriction'],
  params,
  query: z.strictObject({ reason: line(500).optional() }),
  answers: { 200: restriction },
  load: ({ tenantId, params: { restrictionId } }) => forUpdate(restrictionById(tenantId, restrictionId)),
  handle: async ({ tenant: { sql }, row, query: { reason }, principal, place, tenantId }) => {
    if (row.made_by !== 'tenant')
      throw new Refusal(
        'conflict',
        'This holds whatever the organisation says. Use less, ask for more (POST /v1/quota-requests), or ask the operators of the platform to lift it.',
      );
    const lifting = { by: principal, reason: reason ?? '' };
    const lifted = await lift(liftStatements(tenantId, String(row.id), lifting), ({ text, values }) =>
      sql<Row>(text, values),
    );
    return {
      status: 200,
      body: presentRestriction(lifted),
      audit: { id: String(row.id), reason },
      afterCommit: () => releaseRunsNow(place),
    };
  },
});

export const listRestrictionsOf = platformRead({
  method: 'get',
  path: '/tenants/:tenantId/usage-restrictions',
  tag,
  summary: 'What is restricted in an organisation, newest first',
  permit: ['read', 'TenantQuota'],
  params: tenantParams,
  query,
  answers: { 200: page(restriction) },
  load: ({ params: { tenantId } }) => tenantById(tenantId),
  handle: async ({ row, query: { limit, ...filter } }) => {
    const place = await livingPlace(row);
    const [rows = []] = await readInTenant(place, [restrictionList(place.tenantId, filter, limit + 1)]);
    return { status: 200, body: presentPage(rows, limit, (each) => presentRestriction(each)) };
  },
});

export const liftRestrictionOf = platformWrite({
  method: 'delete',
  path: '/tenants/:tenantId/usage-restrictions/:restrictionId',
  tag,
  summary: 'Lift a restriction from an organisation, whoever’s rule made it',
  permit: ['lift', 'TenantQuota'],
  params: tenantParams.extend(params.shape),
  query: z.strictObject({ reason: line(500).optional() }),
  answers: { 200: restriction },
  load: ({ params: { tenantId } }) => tenantById(tenantId),
  handle: async ({ row: tenant, params: { restrictionId }, query: { reason }, principal }) => {
    const place = await livingPlace(tenant);
    const { tenantId } = place;
    const [found] = await readInTenant(place, [restrictionById(tenantId, restrictionId)]);
    if (!found?.[0]) throw new Refusal('not-found', 'There is nothing at this address.');
    const lifting = { by: principal, reason: reason ?? '' };
    // In another database than this act's own transaction, and committed at once: asked for again it is a conflict.
    const [row] = await readInTenant(place, liftStatements(tenantId, restrictionId, lifting));
    return {
      status: 200,
      body: presentRestriction(insistLifted(row?.[0])),
      audit: { id: restrictionId, tenantId, reason },
      afterCommit: () => releaseRunsNow(place),
    };
  },
});

const scopeIdOf = (row: Row): string => String(row.scope_id);

async function lift(statements: Statement[], run: (one: Statement) => Promise<Row[]>): Promise<Row> {
  const results: Row[][] = [];
  for (const statement of statements) results.push(await run(statement));
  return insistLifted(results[0]?.[0]);
}

function insistLifted(row: Row | undefined): Row {
  if (row) return row;
  throw new Refusal('conflict', 'It holds no more; there is nothing to lift.');
}

async function livingPlace(tenant: Row): Promise<Place> {
  const place =
    tenant.state === 'active' || tenant.state === 'suspended' ? await placeOf(String(tenant.id)) : undefined;
  if (place) return place;
  throw new Refusal('conflict', `The organisation is ${tenant.state}; nothing is restricted there.`);
}
