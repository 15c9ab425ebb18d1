import { changeRun } from '../../models/tenant/held-run.ts';
import { type Beginning, beginStep, endStep } from '../../models/tenant/run-step.ts';
import type { Outcome } from '../../policies/run-plan.ts';
import type { Held } from './frame.ts';
import { skippedWith } from './order.ts';

/** With it is skipped what comes after skipped steps alone, for nobody will ask for that. */
export async function skipStep(held: Held, step: Beginning): Promise<Outcome> {
  const { sql, keyring, run } = held;
  const skipped = [step, ...(await skippedWith(held, step))];
  for (const each of skipped) {
    await beginStep(sql, keyring, run.id, each);
    await endStep(sql, keyring, run.id, { path: each.path, state: 'skipped' });
  }
  await changeRun(sql, keyring, run, {
    events: skipped.map(({ path }) => ({ kind: 'step.skipped', path })),
  });
  return { state: 'skipped' };
}
