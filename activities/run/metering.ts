import { meterToolCall } from '../../models/tenant/run-metering.ts';
import type { Begun } from '../../models/tenant/run-step.ts';
import { Refusal } from '../../policies/refusal.ts';
import { type Held, StepFault } from './frame.ts';

/** Counts a call of a tool that has just been entered, before it is made; the limit that has no room for it is the step's. */
export async function meterTool(
  { sql, run }: Held,
  step: { path: string; agentId?: string | undefined },
  begun: Begun,
  kind: 'integration' | 'memory',
): Promise<void> {
  if (!begun.fresh) return;
  try {
    await meterToolCall(sql, run, { ...step, attempts: begun.attempts }, kind);
  } catch (error) {
    if (error instanceof Refusal && error.code === 'quota-exceeded')
      throw new StepFault('limit-quota', error.message);
    throw error;
  }
}
