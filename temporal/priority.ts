import type { Priority } from '@temporalio/common';
import { weightOf } from '../models/weights.ts';

/**
 * What every start says of whose it is: tenants take turns by the weight of their plan, and what is urgent goes first.
 * A start without it would share one line with all others that say nothing.
 */
type PriorityClass = 1 | 2 | 3 | 4 | 5;

export function tenantPriority(
  priorityKey: PriorityClass,
  tenantId: string,
  weight: number = weightOf(tenantId),
): Priority {
  return { priorityKey, fairnessKey: tenantId, fairnessWeight: weight };
}

/** Of Freehold's own: as much as one tenant of the largest plan. */
export const platformPriority = (priorityKey: PriorityClass): Priority => ({
  priorityKey,
  fairnessKey: 'platform',
  fairnessWeight: 16,
});
