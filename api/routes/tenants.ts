import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { config } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { type Intake, keepIntake } from '../../models/intake.ts';
import { inSystem, type SystemScope } from '../../models/scope.ts';
import {
  addressFault,
  holdAddress,
  reservePlace,
  takeAddress,
  tenantById,
  tenantList,
} from '../../models/system/tenant.ts';
import { tenantHost } from '../../models/tenant-address.ts';
import { tenantTableNames } from '../../models/tenant-schema.ts';
import { renamable, type TenantState, tenantStates } from '../../policies/lifecycle.ts';
import { tenantRoles } from '../../policies/permission.ts';
import { currentPlan, plans } from '../../policies/plans.ts';
import { planLimitNames } from '../../policies/quotas.ts';
import { type Fault, Refusal } from '../../policies/refusal.ts';
import { slugFaults, slugHeldDays } from '../../policies/slug.ts';
import { emailAddress } from '../email-address.ts';
import { accepted, begin } from '../operations.ts';
import { platformRead, platformWrite } from '../platform-route.ts';
import { etag, presentPage, presentTenant } from '../present.ts';
import { requireVersion } from '../route.ts';
import {
  changesNothing,
  changing,
  dryRun,
  id,
  line,
  page,
  pagingBy,
  tenant,
  tenantWithOperation,
} from '../shapes.ts';

const tag = 'Tenants';
export const tenantParams = z.strictObject({ tenantId: id('ten') });

const slug = z.string().superRefine((text, context) => {
  for (const message of slugFaults(text)) context.addIssue({ code: 'custom', message, input: text });
});
const region = z.string().refine((name) => config().regions.some((each) => each.name === name), {
  error: () =>
    `must be one of the regions: ${config()
      .regions.map((each) => each.name)
      .join(', ')}`,
});
const plan = z.string().refine((name) => currentPlan(name) !== undefined, {
  error: `must be one of the plans: ${plans.map((each) => each.name).join(', ')}`,
});

const asked = z.strictObject({
  slug,
  name: line(100),
  region,
  plan,
  admin: z.strictObject({ email: emailAddress, name: line(100) }),
  quotas: z
    .partialRecord(z.enum(planLimitNames), z.int().min(0))
    .default({})
    .meta({ description: 'Over the plan’s own limits.' }),
  settings: z
    .strictObject({
      'sessions.hours': z.int().min(1).max(720).exactOptional(),
      'retention.auditDays': z.int().min(30).max(3_650).exactOptional(),
    })
    .default({}),
});

export const listTenants = platformRead({
  method: 'get',
  path: '/tenants',
  tag,
  summary: 'List tenants, newest first',
  permit: ['read', 'Tenant'],
  query: z.strictObject({
    ...pagingBy('ten'),
    state: z.enum(tenantStates).optional(),
    region: z.string().max(16).optional(),
    slug: z.string().max(40).optional(),
  }),
  answers: { 200: page(tenant) },
  load: ({ query }) => tenantList(query, query.cursor, query.limit + 1),
  handle: ({ rows, query }) => ({ status: 200, body: presentPage(rows, query.limit, presentTenant) }),
});

export const readTenant = platformRead({
  method: 'get',
  path: '/tenants/:tenantId',
  tag,
  summary: 'Read a tenant',
  permit: ['read', 'Tenant'],
  params: tenantParams,
  answers: { 200: tenant },
  load: ({ params }) => tenantById(params.tenantId),
  handle: ({ row }) => ({ status: 200, body: presentTenant(row), headers: etag(row.version) }),
});

export const onboardTenant = platformWrite({
  method: 'post',
  path: '/tenants',
  tag,
  summary: 'Onboard a tenant',
  permit: ['create', 'Tenant'],
  query: z.strictObject({ dryRun }),
  body: asked,
  answers: {
    200: z.object({ wouldCreate: z.looseObject({}) }).meta({ id: 'OnboardingPlan' }),
    202: tenantWithOperation,
  },
  alsoCheck: takenFaults,
  handle: async ({ system, body, query, principal, requestId, log }) => {
    const fault = await addressFault(system, body.slug);
    if (fault) throw taken(fault);
    const place = await reservePlace(system, body.region);
    if (query.dryRun)
      return { status: 200, body: { wouldCreate: plannedTenant(body, place.cell) }, unchanged: true };
    const tenantId = newId('ten');
    const version = currentPlan(body.plan)?.version ?? 0;
    const row = {
      id: tenantId,
      slug: body.slug,
      name: body.name,
      region: body.region,
      plan: body.plan,
      ...place,
    };
    await system.Tenant.create({ ...row, planVersion: version, state: 'provisioning' });
    await takeAddress(system, body.slug, tenantId);
    const [stored = {}] = await system.sql(tenantById(tenantId).text, [tenantId]);
    const operation = await begin(system, {
      tenant: stored,
      kind: 'provision-tenant',
      principal,
      requestId,
      log,
    });
    // Last, because it is in another database: what fails before leaves nothing there, and the sweep forgets the rest.
    await keepIntake({ tenantId, ...place }, intakeOf(body));
    return {
      ...accepted({ ...presentTenant(stored), operation: operation.link }, operation.link),
      afterCommit: operation.afterCommit,
      audit: {
        id: tenantId,
        operationId: operation.link.id,
        details: { region: body.region, plan: body.plan },
      },
    };
  },
});

export const renameTenant = platformWrite({
  method: 'patch',
  path: '/tenants/:tenantId',
  tag,
  summary: 'Change a tenant’s name or address; the old address keeps leading to it for 90 days',
  permit: ['rename', 'Tenant'],
  params: tenantParams,
  query: z.strictObject({ dryRun }),
  body: z
    .strictObject({ slug, name: line(100) })
    .partial()
    .refine(changing, changesNothing),
  answers: { 200: tenant },
  load: ({ params }) => forUpdate(tenantById(params.tenantId)),
  handle: async ({ system, row, body, query, ...call }) => {
    const tenantId = String(row.id);
    requireVersion(call, Number(row.version));
    if (!renamable.includes(row.state as TenantState)) {
      throw new Refusal('conflict', `A tenant that is ${row.state} cannot be renamed.`);
    }
    if (body.slug !== undefined && body.slug !== row.slug)
      await moveAddress(system, tenantId, String(row.slug), body.slug);
    const [after = {}] = await system.sql(
      `UPDATE tenants SET slug = coalesce($2, slug), name = coalesce($3, name), version = version + 1, updated_at = now()
       WHERE id = $1 RETURNING *`,
      [tenantId, body.slug ?? null, body.name ?? null],
    );
    return {
      status: 200,
      body: presentTenant(after),
      headers: etag(after.version),
      unchanged: query.dryRun,
      audit: {
        id: tenantId,
        before: named(row),
        after: named(after),
        details: { from: row.slug, to: after.slug },
      },
    };
  },
});

async function moveAddress(system: SystemScope, tenantId: string, from: string, to: string): Promise<void> {
  const fault = await addressFault(system, to, tenantId);
  if (fault) throw taken(fault);
  await holdAddress(system, from);
  await takeAddress(system, to, tenantId);
}

const named = ({ slug: address, name }: Record<string, unknown>) => ({ slug: address, name });

function taken(detail: string): Refusal {
  return new Refusal('conflict', detail, { errors: [{ pointer: '/slug', code: 'taken', detail }] });
}

/** What only the directory knows of a body that has other faults as well. */
async function takenFaults(body: unknown): Promise<Fault[]> {
  const given = z.looseObject({ slug: z.string().max(40) }).safeParse(body);
  if (!given.success || slugFaults(given.data.slug).length > 0) return [];
  const detail = await inSystem('platform', (system) => addressFault(system, given.data.slug));
  return detail ? [{ pointer: '/slug', code: 'taken', detail }] : [];
}

type Asked = z.output<typeof asked>;

function intakeOf({ admin, quotas, settings }: Asked): Intake {
  return { adminEmail: admin.email, adminName: admin.name, quotas, settings };
}

function plannedTenant(body: Asked, cell: string) {
  const terms = currentPlan(body.plan);
  return {
    slug: body.slug,
    host: tenantHost(body.slug),
    region: body.region,
    cell,
    plan: { name: body.plan, version: terms?.version },
    tables: tenantTableNames.length,
    roles: tenantRoles,
    quotas: { ...terms?.limits, ...body.quotas },
    settings: { ...terms?.settings, ...body.settings },
    administrator: body.admin,
    deletionGraceDays: terms?.deletionGraceDays,
    oldAddressesHeldDays: slugHeldDays,
  };
}
