import type { z } from 'zod';

/** How a key of the settings book is declared (policies/settings.ts). */
export const levels = ['platform', 'tenant', 'agent'] as const;
export type Level = (typeof levels)[number];

export type Setting<T> = {
  shape: z.ZodType<T>;
  fallback: T;
  /** At which levels it may be set; a plan may set what the platform may. */
  levels: readonly Level[];
  about: string;
  /** Stored under the tenant's key and never shown again: not over REST, not in a diff, not in the trail. */
  sensitive?: true;
  /** What platform or plan say is the most there is: levels below may only take less of it. */
  narrows?: true;
};
export const setting = <T>(declared: Setting<T>): Setting<T> => declared;

export const tenantUp: readonly Level[] = ['platform', 'tenant'];
export const tenantOnly: readonly Level[] = ['tenant'];
