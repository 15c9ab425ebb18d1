import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * What the embedded mode takes from the environment of the terminal. The product's own settings are read by
 * config.ts alone; here they are only handed on to the processes that are started.
 */
const { TEMPORAL_ADDRESS, XDG_CACHE_HOME, PATH, npm_lifecycle_event } = process.env;

export const inherited: Readonly<Record<string, string | undefined>> = process.env;

/** Use this Temporal server and start none. */
export const temporalAddress = TEMPORAL_ADDRESS || undefined;

export const searchPath = PATH ?? '';

/** Shared by every clone on this machine. A relative XDG_CACHE_HOME counts as unset, as its specification says. */
export const cacheDirectory = join(
  XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), '.cache'),
  'freehold',
);

/** Then npm stands between the terminal and us, and when it is killed nobody tells us. */
export const startedByNpm = npm_lifecycle_event !== undefined;
