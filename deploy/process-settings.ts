/**
 * How Node runs Freehold's processes, here, in the tests and in the benches; docs/operations.md recommends the same.
 * A worker at rest took 333 MB with the defaults and 226 MB with a small young generation and two malloc arenas: the
 * Temporal SDK's native threads each claim an arena otherwise.
 */
export const nodeFlags = ['--max-semi-space-size=2'];
export const nodeEnvironment = { MALLOC_ARENA_MAX: '2' };
