import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { Row } from '../../models/batch.ts';
import { newId } from '../../models/ids.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { digest } from '../../models/secrets.ts';
import { openInRun, type RunLimits, runById } from '../../models/tenant/run.ts';
import { eventData } from '../../models/tenant/run-event.ts';
import type { Target } from '../../models/tenant/run-plan.ts';
import { type StepRow, stepsBelow } from '../../models/tenant/run-step.ts';
import type { Principal } from '../../policies/principal.ts';
import { rightsOfBuiltIn } from '../../policies/rights.ts';
import { isRunEnded, type RunState } from '../../policies/run.ts';
import type { RunBudget } from '../../policies/run-budget.ts';
import { beginRun } from '../../temporal/begin-run.ts';
import { madeTenant } from './lifecycle.ts';
import { placed } from './people.ts';
import { type Equipped, equip, type Outside } from './run-world.ts';

/** Runs as the API would start them, in tenants of a test's own stage. */
export type Runner = Equipped & { principal: Extract<Principal, { kind: 'api-key' | 'user' }> };

/** A tenant that can run things, and a key of its owner. */
export async function runner(operator: Principal, outside: Outside): Promise<Runner> {
  const { tenantId } = await madeTenant(operator);
  const id = newId('key');
  await inTenant(await placed(tenantId), async (tenant) => {
    await tenant.ApiKey.create({ id, name: 'test', tokenHash: digest(id) });
    await tenant.RoleAssignment.create({ principalId: id, role: 'owner' });
    await tenant.sql("UPDATE tenant SET state = 'active'");
  });
  const principal = { kind: 'api-key' as const, id, tenantId };
  return { ...(await equip(tenantId, outside, id)), principal };
}

export async function begun(
  by: Runner,
  target: Target,
  input: Record<string, unknown> = {},
  weight = 1,
  limits: Partial<RunLimits> = {},
  budget?: RunBudget,
): Promise<string> {
  const place = await placed(by.tenantId);
  return inTenant(place, ({ sql }) =>
    beginRun(sql, place, {
      target,
      which: 'live',
      input,
      limits,
      budget,
      labels: {},
      principal: by.principal,
      ownerId: by.principal.id,
      origin: 'request',
      weight,
      reader: { rights: rightsOfBuiltIn(['owner']), ids: [by.principal.id] },
    }),
  );
}

export type StoredRun = { state: RunState; row: Row; steps: StepRow[]; refusal: unknown; output: unknown };

export async function storedRun({ tenantId }: { tenantId: string }, runId: string): Promise<StoredRun> {
  const place = await placed(tenantId);
  const keyring = await keyringOf(place);
  return inTenant(place, async ({ sql }) => {
    const { text, values } = runById(tenantId, runId);
    const [row = {}] = await sql<Row>(text, values);
    return {
      row,
      state: row.state as RunState,
      steps: await stepsBelow(sql, keyring, runId, ''),
      refusal: openInRun(keyring, 'sealed_refusal', row),
      output: openInRun(keyring, 'sealed_output', row),
    };
  });
}

/** Polls until the run is as wanted, or has ended otherwise. */
export async function until(
  by: { tenantId: string },
  runId: string,
  wanted: (run: StoredRun) => boolean,
  seconds = 60,
): Promise<StoredRun> {
  for (const deadline = Date.now() + seconds * 1_000; ; await pause(50)) {
    const run = await storedRun(by, runId);
    if (wanted(run)) return run;
    assert.ok(
      Date.now() < deadline && !isRunEnded(run.state),
      JSON.stringify({ ...run, row: run.row.state }),
    );
  }
}

export const ended = (by: { tenantId: string }, runId: string, seconds?: number): Promise<StoredRun> =>
  until(by, runId, (run) => isRunEnded(run.state), seconds);

/** What was told of a run, of one kind, in the order it was told. */
export async function toldOf(by: { tenantId: string }, runId: string, kind: string) {
  const place = await placed(by.tenantId);
  const keyring = await keyringOf(place);
  const rows = await inTenant(place, ({ sql }) =>
    sql<{ seq: string; sealed_data: Buffer }>(
      'SELECT seq, sealed_data FROM run_events WHERE run_id = $1 AND kind = $2 ORDER BY seq',
      [runId, kind],
    ),
  );
  return rows.map((row) => eventData(keyring, runId, row));
}
