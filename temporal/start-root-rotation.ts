import { config } from '../models/databases.ts';
import { controlQueue, registry, rootRotationId } from '../workflows/registry.ts';
import { reach } from './client.ts';
import { platformPriority } from './priority.ts';

/** One at a time: while one is under way, starting another is none. */
export async function startRootRotation(requestId: string): Promise<void> {
  const { workflowType, title, priorityKey } = registry['rotate-root-key'];
  await reach((client) =>
    client.workflow.start(workflowType, {
      workflowId: rootRotationId,
      taskQueue: controlQueue(config().homeRegion),
      args: [],
      workflowIdConflictPolicy: 'USE_EXISTING',
      priority: platformPriority(priorityKey),
      memo: { requestId },
      staticSummary: title,
    }),
  );
}
