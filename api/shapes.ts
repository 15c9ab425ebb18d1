import { z } from 'zod';
import { type IdKind, idPattern } from '../models/ids.ts';
import { tenantStates } from '../policies/lifecycle.ts';
import { operationKinds, operationStates, stepStates } from '../policies/operation.ts';

/** Shapes used by more than one route. Descriptions go into the OpenAPI document. */
export const id = (kind: IdKind) => z.string().regex(idPattern(kind), `must be an id like ${kind}_…`);
export const moment = z.iso.datetime().meta({ description: 'RFC 3339, UTC' });

/** Text a person wrote: no control characters, since it ends up in logs, mails and terminals. */
export const line = (max: number) =>
  z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(max, `must have at most ${max} characters`)
    // Said by numbers: \p{Cc} is a pattern that readers of the OpenAPI document do not know.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is there to refuse them
    .regex(/^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$/, 'must be one line without control characters')
    .regex(
      /^[^\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]*$/u,
      'must not hold invisible characters or ones that turn the direction',
    );

export const limit = z.coerce
  .number()
  .int()
  .min(1)
  .max(200)
  .default(50)
  .meta({ description: 'How many at most.' });

const cursorOf = (pattern: RegExp) =>
  z
    .string()
    .regex(pattern, 'must be the nextCursor of a page of this list')
    .optional()
    .meta({ description: 'nextCursor of the page before.' });

/** Pages of a list that is ordered by the ids of its items, or by a running number. */
export const pagingBy = (order: IdKind | 'number') => ({
  limit,
  cursor: cursorOf(order === 'number' ? /^\d{1,18}$/ : idPattern(order)),
});

export const page = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

/** A change has to change something: an empty one would only raise the version. */
export const changing = (body: object) => Object.values(body).some((value) => value !== undefined);
export const changesNothing = 'must name at least one field to change';

/** `?dryRun=true`: says what would change and changes nothing. */
export const dryRun = z
  .stringbool()
  .default(false)
  .meta({ description: 'Say what would change; change nothing.' });

const operationLink = z.object({
  id: id('op'),
  href: z.string(),
  kind: z.enum(operationKinds),
  state: z.enum(operationStates),
});

export const tenant = z
  .object({
    id: id('ten'),
    slug: z.string(),
    name: z.string(),
    host: z.string(),
    region: z.string(),
    plan: z.object({ name: z.string(), version: z.int() }),
    state: z.enum(tenantStates),
    stateReason: z.string().nullable(),
    deletionDue: moment.nullable(),
    tombstone: z.looseObject({}).nullable(),
    version: z.int(),
    createdAt: moment,
    updatedAt: moment,
  })
  .meta({ id: 'Tenant' });

export const tenantWithOperation = tenant
  .extend({ operation: operationLink })
  .meta({ id: 'TenantWithOperation' });

const step = z.object({
  name: z.string(),
  title: z.string(),
  state: z.enum(stepStates),
  startedAt: moment.optional(),
  endedAt: moment.optional(),
  attempts: z.int(),
  refusal: z.string().optional(),
});

export const operation = z
  .object({
    id: id('op'),
    kind: z.enum(operationKinds),
    state: z.enum(operationStates),
    tenantId: id('ten'),
    percent: z.int(),
    steps: z.array(step),
    result: z.looseObject({}).nullable(),
    problem: z.looseObject({}).nullable(),
    requestedBy: z.looseObject({}),
    requestId: z.string().nullable(),
    createdAt: moment,
    updatedAt: moment,
    endedAt: moment.nullable(),
  })
  .meta({ id: 'Operation' });

const some = z.object({ count: z.int(), sample: z.array(z.string()) });

export const rightsChange = z
  .object({
    affected: z.array(
      z.object({
        id: z.string(),
        kind: z.enum(['user', 'api-key']),
        name: z.string(),
        changes: z.array(
          z.object({
            action: z.string(),
            subject: z.string(),
            before: z.array(z.string()),
            after: z.array(z.string()),
            gained: some.optional(),
            lost: some.optional(),
            hides: z.array(z.string()).optional(),
            shows: z.array(z.string()).optional(),
          }),
        ),
      }),
    ),
    further: z.int().meta({ description: 'How many more hold the role than were looked at.' }),
  })
  .meta({ id: 'RightsChange', description: 'Who would gain and lose what.' });
