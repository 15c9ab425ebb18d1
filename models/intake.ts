import type { Meter } from '../policies/plans.ts';
import { cellPlatform } from './databases.ts';
import type { Place } from './scope.ts';

/**
 * What was said about people when a tenant was asked for, kept in the tenant's own region until the tenant has a
 * schema for it. It never passes through the system database or Temporal.
 */
export type Intake = {
  adminEmail: string;
  adminName: string;
  quotas: Partial<Record<Meter, number>>;
  settings: { [key: string]: string | number | boolean };
};

export async function keepIntake(place: Place, intake: Intake): Promise<void> {
  await cellPlatform(place.cell).query(
    `INSERT INTO platform.intake (tenant_id, admin_email, admin_name, quotas, settings) VALUES ($1, $2, $3, $4, $5)`,
    [
      place.tenantId,
      intake.adminEmail,
      intake.adminName,
      JSON.stringify(intake.quotas),
      JSON.stringify(intake.settings),
    ],
  );
}

export async function intakeOf(place: Place): Promise<Intake | undefined> {
  const { rows } = await cellPlatform(place.cell).query<Intake>(
    `SELECT admin_email AS "adminEmail", admin_name AS "adminName", quotas, settings
     FROM platform.intake WHERE tenant_id = $1`,
    [place.tenantId],
  );
  return rows[0];
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
