import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import { asRestriction } from '../models/tenant/usage-restriction.ts';
import { type Names, reasonOf, whatToDo } from '../policies/restriction-words.ts';
import { measures } from '../policies/usage-ladder.ts';
import { restrictionCauses, restrictionScopes } from '../policies/usage-restriction.ts';
import { iso } from './present.ts';
import { id, moment } from './shapes.ts';

/** Restrictions as the API shows them: what holds for whom, why, until when, and what can be done. */
const person = z.object({ kind: z.string(), id: z.string() });

export const restriction = z
  .object({
    id: id('rsn'),
    measure: z.enum(measures),
    scope: z.object({ kind: z.enum(restrictionScopes), id: z.string().nullable() }),
    cause: z.enum(restrictionCauses),
    quotaId: z.string().nullable(),
    madeBy: z
      .enum(['tenant', 'platform'])
      .meta({ description: 'Whose rule it is; administrators can lift what their own rules made.' }),
    state: z.enum(['holding', 'lifted', 'ended']),
    reason: z.string(),
    whatToDo: z.string(),
    details: z
      .looseObject({})
      .meta({ description: 'What it was at when it began, and what goes with the measure.' }),
    since: moment,
    until: moment.nullable().meta({ description: 'Null: until less is used, or somebody lifts it.' }),
    lifted: z.object({ at: moment, by: person, reason: z.string().nullable() }).nullable(),
    endedAt: moment.nullable(),
  })
  .meta({ id: 'UsageRestriction', description: 'What is restricted because of a limit or of abuse.' });

/** `names`: of those that whoever asks may read. */
export function presentRestriction(row: Row, names: Names = {}) {
  const held = asRestriction(row);
  const { scope, scopeId, since, until, data } = held;
  const over = row.ended_at !== null || (until !== null && until <= new Date());
  const state = row.lifted_at !== null ? 'lifted' : over ? 'ended' : 'holding';
  return {
    id: held.id,
    measure: held.measure,
    scope: { kind: scope, id: scopeId || null },
    cause: held.cause,
    quotaId: held.quotaId,
    madeBy: held.madeBy,
    state,
    reason: reasonOf(held, names),
    whatToDo: state === 'holding' ? whatToDo(held) : 'Nothing: it holds no longer.',
    details: data,
    since: since.toISOString(),
    until: until?.toISOString() ?? null,
    lifted:
      row.lifted_at === null
        ? null
        : { at: iso(row.lifted_at), by: personOf(row.lifted_by), reason: row.lift_reason ?? null },
    endedAt: iso(row.ended_at),
  };
}

const personOf = (value: unknown) => {
  const { kind, id: who } = value as { kind: string; id: string }; // written from a Principal
  return { kind, id: who };
};
