/**
 * How Node runs Freehold's processes, here, in the tests and in the benches; docs/operations.md recommends the same.
 * Two malloc arenas, because the Temporal SDK's native threads each claim one otherwise, and a young generation of
 * 6 MB: API and worker with 2,000 tenants then rest at 383 MB (539 without). With 2 MB it was 364, but onboarding took
 * a quarter longer.
 */
export const nodeFlags = ['--max-semi-space-size=6'];
export const nodeEnvironment = { MALLOC_ARENA_MAX: '2' };
