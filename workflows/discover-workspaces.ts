import { workflowInfo } from '@temporalio/workflow';
import { actAs } from './acting.ts';
import { outside } from './effects.ts';
import type { DiscoveryInput } from './registry.ts';

/** Whoever has this address is mailed where they can sign in; nobody else learns anything. */
export async function discoverWorkspaces({ emailHash, region, requestId }: DiscoveryInput): Promise<void> {
  const { runId } = workflowInfo();
  await actAs({ principal: { kind: 'system', id: 'system:discovery' } }, () =>
    outside(region).mailWorkspaces({ emailHash, requestId, runId }),
  );
}
