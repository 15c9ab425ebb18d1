import { newId } from '../../models/ids.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { changeRun, holdRun, type RunChange } from '../../models/tenant/held-run.ts';
import { insertRun, type NewRun } from '../../models/tenant/run.ts';
import { placed } from './people.ts';

/** Runs as rows, without a workflow behind them: what watches and lists them is asked what it makes of any row. */
export async function storedRun(
  tenantId: string,
  ownerId: string,
  more: Partial<Omit<NewRun, 'id' | 'ownerId'>> = {},
): Promise<string> {
  const place = await placed(tenantId);
  const keyring = await keyringOf(place);
  const id = newId('run');
  await inTenant(place, ({ sql }) =>
    insertRun(sql, keyring, {
      id,
      ownerId,
      target: { agentId: newId('agt') },
      definitionVersion: 1,
      environment: 'live',
      principal: { kind: 'user', id: ownerId, tenantId },
      origin: 'request',
      limits: { steps: 10, minutes: 10, tokens: 1_000, depth: 2 },
      plan: {},
      input: {},
      labels: {},
      ...more,
    }),
  );
  return id;
}

export async function happen(tenantId: string, runId: string, change: RunChange): Promise<void> {
  const place = await placed(tenantId);
  const keyring = await keyringOf(place);
  await inTenant(place, async ({ sql }) => {
    const run = await holdRun(sql, runId);
    if (!run) throw new Error(`there is no run ${runId}`);
    await changeRun(sql, keyring, run, change);
  });
}
