import {
  type ActivityInput,
  defaultPayloadConverter,
  type Headers,
  type WorkflowInterceptors,
  type WorkflowInterceptorsFactory,
} from '@temporalio/workflow';
import type { Principal } from '../policies/principal.ts';
import { actAs, acting } from './acting.ts';
import { principalHeader } from './registry.ts';

/**
 * What every workflow does and none has to remember: it carries the principal from its start to each activity, and
 * keeps its ledger around them. The other half is temporal/interceptors.ts.
 */
export const interceptors: WorkflowInterceptorsFactory = (): WorkflowInterceptors => {
  let begunWith: Headers = {};
  return {
    inbound: [
      {
        execute(input, next) {
          begunWith = input.headers;
          const payload = input.headers[principalHeader];
          // The header was made from a Principal by temporal/start.ts; the activity interceptor checks its shape.
          const principal = payload && defaultPayloadConverter.fromPayload<Principal>(payload);
          return actAs(principal ? { principal } : {}, () => next(input));
        },
      },
    ],
    outbound: [
      {
        scheduleActivity(input, next) {
          const { ledger, undoing } = acting();
          const attempt = async (tell: (attempt: number) => void) => {
            const { result, attempt } = answered(await next(addressed(input)));
            tell(attempt);
            return result;
          };
          return ledger ? ledger.track(input.activityType, undoing, attempt) : attempt(() => {});
        },
        // Temporal hands on no headers by itself: without them the next history would act in nobody's name.
        continueAsNew: (input, next) => next({ ...input, headers: { ...begunWith, ...input.headers } }),
      },
    ],
  };
};

function addressed(input: ActivityInput): ActivityInput {
  const { principal, ledger, undoing } = acting();
  const summary = ledger?.summaryOf(input.activityType, undoing);
  return {
    ...input,
    headers: principal
      ? { ...input.headers, [principalHeader]: defaultPayloadConverter.toPayload(principal) }
      : input.headers,
    options: summary ? { ...input.options, summary } : input.options,
  };
}

/** The activity interceptor puts every result in an envelope with the attempt that brought it. */
function answered(answer: unknown): { result: unknown; attempt: number } {
  if (typeof answer !== 'object' || answer === null || !('attempt' in answer)) {
    throw new Error('bug: an activity answered past temporal/interceptors.ts');
  }
  return { result: 'result' in answer ? answer.result : undefined, attempt: Number(answer.attempt) };
}
