import { Refusal } from '../../policies/refusal.ts';
import { type RunPlan, rootWorkflow } from '../../policies/run-plan.ts';
import type { WorkflowStep } from '../../policies/workflow-definition.ts';
import type { Sql } from '../scope.ts';

/**
 * A new round of a run that has ended. What is done stays done; named a step, that one and all that comes after it are
 * done again. An effect that was had and is asked for anew gets an idempotency key of its own; one that may or may not
 * have been had keeps its key, so that the tool can tell.
 */
export async function beginRound(
  sql: Sql,
  runId: string,
  plan: RunPlan,
  from: string | undefined,
): Promise<number> {
  if (from !== undefined) await forget(sql, runId, following(plan, from));
  const [row] = await sql<{ round: number }>(
    `UPDATE runs SET round = round + 1, refusal_code = NULL, sealed_refusal = NULL, sealed_output = NULL, ended_at = NULL
     WHERE id = $1 RETURNING round`,
    [runId],
  );
  if (!row) throw new Error(`bug: ${runId} is held and not there`);
  return row.round;
}

/** The step and whatever comes after it, of the outermost workflow. */
function following(plan: RunPlan, from: string): string[] {
  const { steps } = rootWorkflow(plan);
  if (!steps.some((step) => step.id === from)) {
    const names = steps.map((step) => step.id).join(', ');
    throw new Refusal('unprocessable', `A run can be retried from one of its own steps: ${names}.`, {
      errors: [{ pointer: '/from', code: 'unknown', detail: `must be one of: ${names}` }],
    });
  }
  const again = new Set([from]);
  for (let size = 0; size < again.size; ) {
    size = again.size;
    for (const { id, after } of steps as WorkflowStep[])
      if (after.some((each) => again.has(each))) again.add(id);
  }
  return [...again];
}

async function forget(sql: Sql, runId: string, ids: string[]): Promise<void> {
  const pattern = `^(${ids.join('|')})($|[[/#])`;
  await sql(
    `UPDATE run_steps SET state = 'failed', refusal_code = 'cancelled', progress = 0, sealed_output = NULL,
       effect = effect + CASE WHEN state = 'done' THEN 1 ELSE 0 END WHERE run_id = $1 AND path ~ $2`,
    [runId, pattern],
  );
  await sql(`UPDATE run_approvals SET state = 'withdrawn' WHERE run_id = $1 AND path ~ $2`, [runId, pattern]);
}
