import { schemaOf } from '../models/ids.ts';
import { type Place, readInTenant } from '../models/scope.ts';
import { listWorkspace } from '../models/system/workspace.ts';
import type { Incoming } from './route.ts';

/**
 * For answers to somebody who has just proven that they belong here: once it is sent, the tenant is put on the list
 * that POST /v1/discovery mails. Nobody waits for it and nothing fails with it; what is missed, the next sign-in mends.
 */
export function listingWorkspace(place: Place, userId: string, { log }: Incoming): () => Promise<void> {
  return async () => {
    try {
      const { tenantId } = place;
      const [rows] = await readInTenant(place, [
        { text: `SELECT email_key FROM ${schemaOf(tenantId)}.users WHERE id = $1`, values: [userId] },
      ]);
      const email = rows?.[0]?.email_key;
      if (typeof email === 'string') await listWorkspace(email, tenantId, userId);
    } catch (error) {
      log.warn({ error: String(error) }, 'a workspace could not be listed; the next sign-in will');
    }
  };
}
