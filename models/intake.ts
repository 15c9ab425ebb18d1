import type { PlanLimit } from '../policies/quotas.ts';
import { cellPlatform, config } from './databases.ts';
import type { Place } from './scope.ts';
import { derive, open, seal } from './secrets.ts';

/**
 * What was said about people when a tenant was asked for, kept in the tenant's own region until the tenant has a
 * schema for it, sealed under a key of the installation. It never passes through the system database or Temporal.
 */
export type Intake = {
  adminEmail: string;
  adminName: string;
  quotas: Partial<Record<PlanLimit, number>>;
  settings: { [key: string]: string | number | boolean };
};

const key = () => derive(config().rootKey, 'intake');
const keyVersion = 1;
const belongs = (tenantId: string) => `intake/${tenantId}`;

export async function keepIntake({ tenantId, cell }: Place, intake: Intake): Promise<void> {
  const sealed = seal(key(), keyVersion, Buffer.from(JSON.stringify(intake)), belongs(tenantId));
  await cellPlatform(cell).query('INSERT INTO platform.intake (tenant_id, sealed) VALUES ($1, $2)', [
    tenantId,
    sealed,
  ]);
}

type Stored = Intake & { sealed: Buffer | null };

export async function intakeOf({ tenantId, cell }: Place): Promise<Intake | undefined> {
  const { rows } = await cellPlatform(cell).query<Stored>(
    `SELECT sealed, admin_email AS "adminEmail", admin_name AS "adminName", quotas, settings
     FROM platform.intake WHERE tenant_id = $1`,
    [tenantId],
  );
  const [row] = rows;
  if (!row) return undefined;
  const { sealed, ...plain } = row;
  // Plain: asked for while an older version ran, and provisioned by this one.
  return sealed ? (JSON.parse(open(key(), sealed, belongs(tenantId)).toString()) as Intake) : plain;
}

export async function forgetIntake(place: Place): Promise<void> {
  await cellPlatform(place.cell).query('DELETE FROM platform.intake WHERE tenant_id = $1', [place.tenantId]);
}

const intakeKeptHours = 1;
const effectsKeptDays = 30;

/** Forgets intakes whose tenant never came to be or is long made, and effects past any late attempt. */
export async function sweepCell(cell: string, provisioning: string[]): Promise<void> {
  await cellPlatform(cell).query(
    `DELETE FROM platform.intake WHERE created_at < now() - make_interval(hours => ${intakeKeptHours}) AND tenant_id <> ALL ($1)`,
    [provisioning],
  );
  await cellPlatform(cell).query(
    `DELETE FROM platform.effects WHERE at < now() - make_interval(days => ${effectsKeptDays})`,
  );
}
