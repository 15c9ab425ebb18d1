import type { Info } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory, TemporalFailure } from '@temporalio/common';
import { Refusal } from '../policies/refusal.ts';
import { log, refusals } from '../telemetry.ts';
import { refusalType } from '../workflows/registry.ts';

const mayHeal = new Set<string>(['unavailable', 'key-unusable']);

/**
 * What an activity threw, as Temporal may keep it: histories and the Temporal UI are read by operators and are not
 * encrypted. Only sentences written for people pass (a refusal in an activity names ids, never tenant data); of
 * everything else the name and code pass, and the log has the rest.
 */
export function asFailure(
  error: unknown,
  info: Info,
  step: { tenantId?: string | undefined },
): TemporalFailure {
  const about = {
    activity: info.activityType,
    attempt: info.attempt,
    workflowId: info.workflowExecution?.workflowId,
  };
  const told = { attempt: info.attempt };
  if (error instanceof ApplicationFailure) {
    const { message, type, nonRetryable, details, cause, nextRetryDelay, category } = error;
    const expected = category === ApplicationFailureCategory.BENIGN;
    if (expected) log.debug({ ...about, type, detail: message }, 'an activity comes again later');
    else log.warn({ ...about, type, detail: message }, 'an activity was refused');
    const all = [told, ...(details ?? [])];
    return new ApplicationFailure(message, type, nonRetryable, all, cause, nextRetryDelay, category);
  }
  if (error instanceof TemporalFailure) return error;
  if (error instanceof Refusal && !mayHeal.has(error.code)) {
    refusals.inc({ code: error.code, tenant: step.tenantId ?? '' });
    log.info({ ...about, code: error.code, detail: error.message }, 'an activity was refused');
    return ApplicationFailure.nonRetryable(error.message, refusalType, { ...told, code: error.code });
  }
  if (error instanceof Refusal && error.code === 'key-unusable') {
    // It may come back: tried again, and the operation says meanwhile what it waits for.
    log.warn({ ...about, code: error.code }, 'the organisation’s own key cannot be used');
    return ApplicationFailure.create({ message: error.message, type: error.code, details: [told] });
  }
  const { name, code, text } = anatomy(error);
  log.warn({ ...about, error: text }, 'an activity failed');
  const message = `${name}${code ? ` (${code})` : ''}; the worker’s log says more.`;
  return ApplicationFailure.create({ message, type: name, details: [told] });
}

function anatomy(error: unknown): { name: string; code?: string; text: string } {
  if (!(error instanceof Error)) return { name: 'Error', text: String(error) };
  // Sequelize keeps what the driver threw, with its SQLSTATE, in `parent`.
  const origin = 'parent' in error && error.parent instanceof Error ? error.parent : error;
  const code = 'code' in origin && typeof origin.code === 'string' ? { code: origin.code } : {};
  return { name: error.name, ...code, text: error.stack ?? error.message };
}
