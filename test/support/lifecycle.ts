import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { declarations } from '../../activities/index.ts';
import type { Row } from '../../models/batch.ts';
import { newId } from '../../models/ids.ts';
import { keepIntake } from '../../models/intake.ts';
import { inSystem, inTenant, readInSystem } from '../../models/scope.ts';
import { digest } from '../../models/secrets.ts';
import { openOperation, operationById, type Startable } from '../../models/system/operation.ts';
import {
  placeOf,
  reservePlace,
  systemPlace,
  systemTenantId,
  takeAddress,
  tenantById,
} from '../../models/system/tenant.ts';
import { type Remains, remainsOf } from '../../models/tenant-schema.ts';
import type { LifecycleKind, OperationState, StepRecord } from '../../policies/operation.ts';
import { currentPlan } from '../../policies/plans.ts';
import type { Principal } from '../../policies/principal.ts';

/** Tenants and operations as the API leaves them: committed, and not yet started. */
const plan = 'team';
const region = 'eu';

/** An operator with every platform right: what `operator-key` makes, without the key itself. */
export async function operator(): Promise<Principal> {
  const id = newId('key');
  await inTenant(systemPlace(), async (tenant) => {
    await tenant.ApiKey.create({ id, name: 'test', tokenHash: digest(id) });
    await tenant.RoleAssignment.create({ principalId: id, role: 'platform-owner' });
  });
  return { kind: 'api-key', id, tenantId: systemTenantId };
}

export async function askForTenant(principal: Principal): Promise<Startable> {
  const terms = currentPlan(plan);
  if (!terms) throw new Error(`there is no plan ${plan}`);
  const tenantId = newId('ten');
  const slug = `t-${randomBytes(12).toString('hex')}`;
  const { operationId, place } = await inSystem('platform', async (system) => {
    const reserved = await reservePlace(system, region);
    const row = { id: tenantId, slug, name: slug, region, plan, planVersion: terms.version, ...reserved };
    await system.Tenant.create({ ...row, state: 'provisioning' });
    await takeAddress(system, slug, tenantId);
    return {
      place: { tenantId, ...reserved },
      operationId: await openOperation(system, { tenantId, kind: 'provision-tenant', principal }, () => {}),
    };
  });
  const person = { adminEmail: `${slug}@example.com`, adminName: 'First Administrator' };
  await keepIntake(place, { ...person, quotas: {}, settings: {} });
  const input = { previous: 'provisioning' };
  return { tenantId, operationId, region, kind: 'provision-tenant', principal, input, weight: terms.weight };
}

/** An operation on a tenant that has been made before, in the state it starts from. */
export async function askFor(
  kind: Exclude<LifecycleKind, 'provision-tenant'>,
  principal: Principal,
  input: { previous: 'active' | 'suspended'; graceSeconds?: number },
): Promise<Startable> {
  const made = await madeTenant(principal);
  if (input.previous === 'suspended') await suspended(made.tenantId, principal);
  const operationId = await inSystem('platform', (system) =>
    openOperation(system, { tenantId: made.tenantId, kind, principal, input }, () => {}),
  );
  return { ...made, operationId, kind, principal, input };
}

/** Made by the activities themselves, one after the other: what a workflow would have left. */
export async function madeTenant(principal: Principal): Promise<Startable> {
  const asked = await askForTenant(principal);
  const { tenantId, operationId } = asked;
  const step = { tenantId, operationId };
  await declarations.ensureTenantSchema.run(step, principal);
  await declarations.ensureTenantKey.run(step, principal);
  await declarations.openSubscription.run(step, principal);
  await declarations.applyPlan.run(step, principal);
  await declarations.createInvitation.run(step, principal);
  await declarations.activateTenant.run({ ...step, steps: [] }, principal);
  return asked;
}

async function suspended(tenantId: string, principal: Principal): Promise<void> {
  const operationId = await inSystem('platform', (system) =>
    openOperation(system, { tenantId, kind: 'suspend-tenant', principal }, () => {}),
  );
  const step = { tenantId, operationId };
  await declarations.blockTenant.run({ ...step, state: 'suspended' }, principal);
  const ending = { state: 'suspended', outcome: 'succeeded' } as const;
  await declarations.settleTenant.run({ ...step, ...ending, steps: [] }, principal);
}

export type StoredOperation = {
  state: OperationState;
  steps: StepRecord[];
  percent: number;
  problem: { detail: string } | null;
};

export async function storedOperation({
  operationId,
}: Pick<Startable, 'operationId'>): Promise<StoredOperation> {
  const [rows] = await readInSystem('platform', [operationById(operationId)]);
  const [row] = rows ?? [];
  if (!row) throw new Error(`there is no operation ${operationId}`);
  // Written by the closing activities, whose types say the same.
  return row as StoredOperation;
}

export async function storedTenant({ tenantId }: Pick<Startable, 'tenantId'>): Promise<Row> {
  const [rows] = await readInSystem('platform', [tenantById(tenantId)]);
  const [row] = rows ?? [];
  if (!row) throw new Error(`there is no tenant ${tenantId}`);
  return row;
}

/** The state in the tenant's own schema, which is what its people meet. */
export async function stateInside(tenantId: string): Promise<string> {
  const place = await placeOf(tenantId);
  if (!place) throw new Error(`there is no tenant ${tenantId}`);
  const [row] = await inTenant(place, ({ sql }) => sql<{ state: string }>('SELECT state FROM tenant'));
  return row?.state ?? 'none';
}

/** What is left in the cell; asked by the row, because a deleted tenant has no place any more. */
export async function remains(operation: Startable): Promise<Remains> {
  const { id, cell, login } = await inSystem('platform', async ({ Tenant }) => {
    const row = await Tenant.findByPk(operation.tenantId, { rejectOnEmpty: true });
    return { id: row.id, cell: row.cell, login: row.login };
  });
  return remainsOf({ tenantId: id, cell, login });
}

export const nothing: Remains = { schemas: 0, roles: 0, keys: 0, intake: 0 };

/** Places are counted, not listed: a count that drifts would fill or starve a cell. */
export async function placesThatDrifted(): Promise<unknown[]> {
  return inSystem('platform', ({ sql }) =>
    sql(`SELECT c.name, c.tenants AS counted, count(t.id)::int AS there FROM cells c
         LEFT JOIN tenants t ON t.cell = c.name AND t.state NOT IN ('failed', 'deleted')
         GROUP BY c.name HAVING c.tenants <> count(t.id)`),
  );
}

/** The tenant is whole and in this state, for operators and for its own people alike. */
export async function assertStands(operation: Startable, state: 'active' | 'suspended'): Promise<void> {
  assert.equal((await storedTenant(operation)).state, state);
  assert.equal(await stateInside(operation.tenantId), state);
  assert.deepEqual(await remains(operation), { schemas: 1, roles: 1, keys: 1, intake: 0 });
}
