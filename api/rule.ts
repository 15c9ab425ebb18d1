import { z } from 'zod';
import { type Action, actions, type SubjectType, subjects } from '../policies/permission.ts';
import { permissions } from '../policies/permissions.ts';
import { conditionsOf, environments, hideableFields, type Rule } from '../policies/rule.ts';

/** The shape of a role's rules as they are written and read, and what makes one meaningless. */
const rulesMax = 100;

export const rule = z
  .strictObject({
    effect: z.enum(['allow', 'deny']),
    action: z.enum(actions),
    subject: z.enum(subjects),
    when: z
      .strictObject({
        ownerId: z.literal('me', 'must be "me": what belongs to whoever asks').exactOptional(),
        tags: z.strictObject({ any: z.array(z.string().min(1).max(50)).min(1).max(20) }).exactOptional(),
        environment: z.strictObject({ any: z.array(z.enum(environments)).min(1) }).exactOptional(),
      })
      .exactOptional(),
    fields: z.array(z.string()).min(1).exactOptional(),
  })
  .superRefine((written, context) => {
    for (const { path, message } of meaningless(written)) context.addIssue({ code: 'custom', path, message });
  })
  .meta({ id: 'Rule' });

export const rules = z
  .array(rule)
  .min(1, 'must hold at least one rule')
  .max(rulesMax, `must hold at most ${rulesMax} rules`);

type Flaw = { path: (string | number)[]; message: string };

/** A rule about something that does not exist would look like a right and be none. */
function meaningless({ action, subject, when = {}, fields }: Rule): Flaw[] {
  const conditions = conditionsOf[subject] ?? [];
  const hideable = hideableFields[subject] ?? [];
  const wrong: (Flaw | false)[] = [
    !isTenantPermission(action, subject) && {
      path: ['action'],
      message: `there is no permission to ${action} ${subject} in an organisation; GET /v1/permissions lists them`,
    },
    ...Object.keys(when).map(
      (name) =>
        !conditions.some((each) => each === name) && {
          path: ['when', name],
          message: `${subject} cannot be told apart by ${name}`,
        },
    ),
    fields !== undefined &&
      action !== 'read' && { path: ['fields'], message: 'fields can be said of reading only' },
    ...(fields ?? []).map(
      (field, at) =>
        !hideable.includes(field) && {
          path: ['fields', at],
          message:
            hideable.length > 0
              ? `must be one of ${hideable.join(', ')}`
              : `${subject} has no field that can be hidden`,
        },
    ),
  ];
  return wrong.filter((flaw) => flaw !== false);
}

function isTenantPermission(action: Action, subject: SubjectType): boolean {
  return permissions.some(
    (row) => row.scope === 'tenant' && row.action === action && row.subject === subject,
  );
}
