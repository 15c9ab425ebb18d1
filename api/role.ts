import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import { builtInGrants } from '../policies/rights.ts';
import type { Rule } from '../policies/rule.ts';
import { iso } from './present.ts';
import { rule } from './rule.ts';
import { moment } from './shapes.ts';

/** A role with its rules, as the API shows it. */
export const role = z
  .object({
    name: z.string(),
    title: z.string(),
    description: z.string(),
    builtIn: z.boolean(),
    // Those of built-in roles are more than anybody may write.
    rules: z.array(rule),
    holders: z.int(),
    version: z.int(),
    createdAt: moment,
    updatedAt: moment,
  })
  .meta({ id: 'Role' });

/** As they are written; Postgres keeps the members of an object in an order of its own. */
const inOrder = ({ effect, action, subject, when, fields }: Rule): Rule => ({
  effect,
  action,
  subject,
  ...(when && { when }),
  ...(fields && { fields }),
});

export function presentRole(row: Row) {
  const builtIn = Boolean(row.built_in);
  return {
    name: row.name,
    title: row.title,
    description: row.description,
    builtIn,
    rules: builtIn
      ? builtInGrants(String(row.name)).map(({ rule }) => rule)
      : (row.rules as Rule[]).map(inOrder),
    holders: row.holders,
    version: row.version,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
  };
}
