import { CancellationScope, sleep } from '@temporalio/workflow';
import { actAs, systemActor } from './acting.ts';
import { backward, forGood, forward, heavilyForGood } from './effects.ts';
import type { Ledger, PlannedStep } from './ledger.ts';
import { runOperation } from './operation.ts';
import type { ErrandInput } from './registry.ts';
import { orUndo, untilAllDone } from './undo.ts';

const plan: PlannedStep[] = [
  { name: 'addKeyVersion', title: 'Make a new version of the key', undoneBy: ['abandonKeyRotation'] },
  { name: 'untilKeyKnown', title: 'Wait until every process seals under it' },
  { name: 'resealColumns', title: 'Seal anew what is under an older version' },
  { name: 'closeKeyRotation', title: 'Record that nothing is left under it' },
];

type Rotation = { tenantId: string; operationId: string };
type Finishing = Rotation & { version: number; region: string };

/** Once there is a new version everything goes under it: whoever asked may no longer matter by then. */
export async function rotateKey({ tenantId, operationId, region }: ErrandInput): Promise<void> {
  const rotation = { tenantId, operationId };
  await runOperation(rotation, plan, async (ledger) => {
    let added = { version: 0, knownAfterSeconds: 0 };
    await orUndo(
      async () => {
        added = await forward.addKeyVersion(rotation);
      },
      (ending) => {
        const steps = ledger.closedBy('abandonKeyRotation', true);
        return backward.abandonKeyRotation({ ...rotation, steps, ...ending });
      },
    );
    const principal = systemActor('system:rotate-key');
    await CancellationScope.nonCancellable(() =>
      actAs({ principal }, async () => {
        await ledger.track('untilKeyKnown', false, () => sleep(1_000 * added.knownAfterSeconds));
        const { version } = added;
        await untilAllDone([() => finish({ ...rotation, version, region }, ledger)]);
      }),
    );
  });
}

async function finish({ version, region, ...rotation }: Finishing, ledger: Ledger): Promise<void> {
  const { resealColumns } = heavilyForGood(region);
  for (let done = false; !done; ) done = (await resealColumns(rotation)).done;
  const steps = ledger.closedBy('closeKeyRotation', false);
  await forGood.closeKeyRotation({ ...rotation, version, steps });
}
