/**
 * A refusal: the caller can do something about it. Everything else that is thrown is a failure (the world may
 * heal) or a bug. The detail is written for the caller; `cause` is for the log and never shown.
 */
export type RefusalCode =
  | 'invalid-request'
  | 'unauthenticated'
  | 'second-factor-required'
  | 'forbidden'
  | 'tenant-suspended'
  | 'tenant-mismatch'
  | 'not-found'
  | 'method-not-allowed'
  | 'conflict'
  | 'operation-running'
  | 'precondition-failed'
  | 'too-large'
  | 'unsupported-media-type'
  | 'misdirected'
  | 'unprocessable'
  | 'idempotency-mismatch'
  | 'rate-limited'
  | 'quota-exceeded'
  | 'restricted'
  | 'key-unusable'
  | 'unavailable';

/** One fault of a request: where (JSON pointer into the body, or `?name` for a query parameter) and what. */
export type Fault = { pointer: string; code: string; detail: string };

export type RefusalMore = {
  errors?: Fault[];
  cause?: unknown;
  retryAfterSeconds?: number;
  /** Members added to the problem document, such as the operation in the way. */
  extra?: Record<string, unknown>;
};

export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly errors: Fault[];
  readonly retryAfterSeconds: number | undefined;
  readonly extra: Record<string, unknown>;

  constructor(code: RefusalCode, detail: string, more: RefusalMore = {}) {
    super(detail, { cause: more.cause });
    this.name = 'Refusal';
    this.code = code;
    this.errors = more.errors ?? [];
    this.retryAfterSeconds = more.retryAfterSeconds;
    this.extra = more.extra ?? {};
  }
}
