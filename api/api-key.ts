import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import { idPattern } from '../models/ids.ts';
import type { TenantScope } from '../models/scope.ts';
import { keyById, keyKinds, keyStates } from '../models/tenant/api-key.ts';
import { iso } from './present.ts';
import { id, moment } from './shapes.ts';

/** API keys as the API shows them: never with their token but the once. */
export const key = z
  .object({
    id: id('key'),
    name: z.string(),
    kind: z.enum(keyKinds),
    ownerId: id('usr').nullable(),
    createdBy: z.string().nullable(),
    roles: z
      .array(z.string())
      .nullable()
      .meta({ description: 'Null: it follows its owner’s roles. A user key never exceeds its owner.' }),
    prefix: z.string().meta({ description: 'How the token begins, to find out which one leaked.' }),
    state: z.enum(keyStates),
    expiresAt: moment.nullable(),
    lastUsedAt: moment.nullable().meta({ description: 'To the minute.' }),
    revokedAt: moment.nullable(),
    previousUntil: moment.nullable().meta({ description: 'Until when the token before this one is good.' }),
    requestsPerMinute: z
      .int()
      .nullable()
      .meta({ description: 'What it may ask at most; null: as much as its organisation.' }),
    version: z.int(),
    createdAt: moment,
  })
  .meta({ id: 'ApiKey' });

export const keyWithToken = key
  .extend({ token: z.string().meta({ description: 'Shown once.' }) })
  .meta({ id: 'ApiKeyWithToken' });

export const maker = z
  .string()
  .refine(
    (text) => idPattern('usr').test(text) || idPattern('key').test(text),
    'must be an id like usr_… or key_…',
  );

export const perMinute = z
  .int('must be a whole number')
  .min(1, 'must be at least 1')
  .max(1_000_000, 'must be at most 1000000');

export function presentKey(row: Row) {
  return {
    id: row.id,
    name: row.name,
    kind: row.owner_id === null ? 'service' : 'user',
    ownerId: row.owner_id,
    createdBy: row.created_by,
    roles: row.follows_owner ? null : row.roles,
    prefix: row.prefix,
    state: row.state,
    expiresAt: iso(row.expires_at),
    lastUsedAt: iso(row.last_used_at),
    revokedAt: iso(row.revoked_at),
    previousUntil: iso(row.previous_until),
    requestsPerMinute: row.requests_per_minute,
    version: row.version,
    createdAt: iso(row.created_at),
  };
}

/** As it stands after a change in this transaction. */
export async function shownKey({ sql }: TenantScope, tenantId: string, keyId: string) {
  const { text, values } = keyById(tenantId, keyId);
  const [row = {}] = await sql<Row>(text, values);
  return presentKey(row);
}
