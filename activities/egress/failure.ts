/**
 * The world did not answer, and how far it was got: name resolution, connection, TLS, answer. The cause is for the log;
 * whoever asked learns the stage only.
 */
export type EgressStage = 'name' | 'reach' | 'tls' | 'answer';

export class EgressFailure extends Error {
  readonly stage: EgressStage;
  readonly code: string;
  constructor(stage: EgressStage, cause: unknown) {
    super(`the other side failed at stage "${stage}"`, { cause });
    this.name = 'EgressFailure';
    this.stage = stage;
    this.code = codeOf(cause) ?? stage;
  }
}

function codeOf(cause: unknown): string | undefined {
  const { code } = (cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** The first of the causes that is one of these, for fetch wraps what its connector threw. */
export function among<T>(thrown: unknown, is: (cause: unknown) => cause is T): T | undefined {
  for (let cause = thrown, depth = 0; cause && depth < 8; depth++) {
    if (is(cause)) return cause;
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return undefined;
}
