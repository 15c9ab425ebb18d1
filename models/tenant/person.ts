import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';

/** A person as the object of a permission about what is theirs: password, second factor, sessions. */
export function personById(tenantId: string, userId: string): Statement {
  return {
    text: `SELECT u.id, u.id AS owner_id, u.state FROM ${schemaOf(tenantId)}.users u WHERE u.id = $1`,
    values: [userId],
  };
}
