import { z } from 'zod';
import { config } from '../models/databases.ts';
import type { Days, TenantsFilter } from '../models/system/usage.ts';
import { plans } from '../policies/plans.ts';
import { type Fault, Refusal } from '../policies/refusal.ts';
import { id } from './shapes.ts';
import { earliest } from './usage-query.ts';

/** What operators ask of all tenants together: whole days of UTC, some or all tenants. */
const dayMs = 86_400_000;
const defaultDays = 30;
const daysMax = 800;

const day = z.iso.date({ error: 'must be a day such as 2026-11-01' }).optional();
const oneOf = (what: string, names: () => readonly string[]) =>
  z
    .string()
    .refine((name) => names().includes(name), {
      error: () => `must be one of the ${what}: ${names().join(', ')}`,
    })
    .optional();
const regionNames = () => config().regions.map(({ name }) => name);
const cellNames = () => config().regions.flatMap(({ cells }) => cells.map(({ name }) => name));
export const daysQuery = {
  from: day.meta({ description: 'A day of UTC. Default: the 30th before.' }),
  until: day.meta({ description: 'Not included. Default: tomorrow.' }),
};
export const tenantsQuery = {
  region: oneOf('regions', regionNames),
  plan: oneOf('plans', () => [...new Set(plans.map(({ name }) => name))]),
  cell: oneOf('cells', cellNames),
  tenantId: id('ten').optional(),
};

export const filterOf = ({ region, plan, cell, tenantId }: TenantsFilter): TenantsFilter => ({
  ...{ region, plan, cell, tenantId },
});

const text = (at: number): string => new Date(at).toISOString().slice(0, 10);
const shiftDay = (date: string, days: number): string => text(Date.parse(date) + days * dayMs);
const daysIn = ({ from, until }: Days): number => (Date.parse(until) - Date.parse(from)) / dayMs;

export function daysOf(query: { from?: string | undefined; until?: string | undefined }): Days {
  const until = query.until ?? text(Date.now() + dayMs);
  const from = query.from ?? shiftDay(until, -defaultDays);
  const days = daysIn({ from, until });
  const fault = (detail: string): Fault[] => [{ pointer: '?from', code: 'period', detail }];
  const errors = [
    ...(from < earliest ? fault(`must not lie before ${earliest}`) : []),
    ...(days <= 0 ? fault('must lie before until') : []),
    ...(days > daysMax ? fault(`must not lie more than ${daysMax} days before until`) : []),
  ];
  if (errors.length > 0)
    throw new Refusal('invalid-request', 'There is no such time to look at.', { errors });
  return { from, until };
}

/** As many days just before. */
export const daysBefore = (days: Days): Days => ({
  from: shiftDay(days.from, -daysIn(days)),
  until: days.from,
});
