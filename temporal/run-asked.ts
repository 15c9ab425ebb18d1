import { setTimeout as pause } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { schemaOf } from '../models/ids.ts';
import { readInTenant } from '../models/scope.ts';
import { placeOf } from '../models/system/tenant.ts';
import { isRunEnded, type RunState } from '../policies/run.ts';
import type { AskedRun } from './admission.ts';
import { giveWay } from './run-slots.ts';

/**
 * A run's workflow is started by the very transaction that stores the run, or begins a round of it, before it commits
 * (docs/decisions/2026-11-24-runs-start-before-their-commit.md): its first activity may be here before the row is, or
 * find it as the round before left it, ended. A request is given up after 20 s: what is not there by then never comes.
 */
const patienceMs = 20_000;
const lookMs = 50;

export async function runAsked(tenantId: string, runId: string, round = 1): Promise<AskedRun | undefined> {
  const place = await placeOf(tenantId);
  if (!place) return undefined;
  const statement = {
    text: `SELECT state, principal, request_id FROM ${schemaOf(tenantId)}.runs WHERE id = $1 AND round >= $2`,
    values: [runId, round],
  };
  const { cancellationSignal: signal } = Context.current();
  for (const deadline = Date.now() + patienceMs; ; await pause(lookMs, undefined, { signal })) {
    const [rows] = await readInTenant(place, [statement]);
    const [row] = rows ?? [];
    if (row) {
      return {
        principal: row.principal as AskedRun['principal'], // a Principal, written by insertRun
        ended: isRunEnded(row.state as RunState), // the table's own CHECK
        requestId: typeof row.request_id === 'string' ? row.request_id : undefined,
      };
    }
    if (Date.now() > deadline) return undefined;
    giveWay();
  }
}
