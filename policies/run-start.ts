import { z } from 'zod';

/**
 * What starts runs by itself says what it starts: the live version of an agent or workflow as it is at that time, or
 * the draft. It does so in the name of its owner, who is whoever last said what it starts: nobody has something done in
 * another's name by changing what is theirs.
 */
export const runOverlaps = ['skip', 'wait', 'cancel', 'allow'] as const;
export type RunOverlap = (typeof runOverlaps)[number];

export const startEnvironments = ['draft', 'live'] as const;

const label = z.string().min(1).max(200);
export const runLabels = z
  .record(z.string().regex(/^[a-z][a-z0-9_.-]{0,62}$/, 'must be lower-case letters, digits, _ . -'), label)
  .refine((all) => Object.keys(all).length <= 20, 'must have at most 20 labels');

export type StartTarget = { agentId: string } | { workflowId: string };

/** Exactly one of both, as the database insists as well. */
export function targetOf(given: {
  agentId?: string | undefined;
  workflowId?: string | undefined;
}): StartTarget {
  const { agentId, workflowId } = given;
  if (agentId !== undefined && workflowId === undefined) return { agentId };
  if (workflowId !== undefined && agentId === undefined) return { workflowId };
  throw new Error('bug: neither or both of agentId and workflowId');
}

export const namesOneTarget = ({
  agentId,
  workflowId,
}: {
  agentId?: unknown;
  workflowId?: unknown;
}): boolean => (agentId === undefined) !== (workflowId === undefined);
