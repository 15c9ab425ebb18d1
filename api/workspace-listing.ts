import { schemaOf } from '../models/ids.ts';
import { keyringOf } from '../models/keyring.ts';
import { type Place, readInTenant } from '../models/scope.ts';
import { listWorkspace, unlistWorkspace } from '../models/system/workspace.ts';
import { emailOf } from '../models/tenant/person.ts';
import { log } from '../telemetry.ts';
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
        { text: `SELECT sealed_email FROM ${schemaOf(tenantId)}.users WHERE id = $1`, values: [userId] },
      ]);
      const sealed = rows?.[0]?.sealed_email;
      if (!Buffer.isBuffer(sealed)) return;
      const email = emailOf(await keyringOf(place), userId, { sealed_email: sealed });
      await listWorkspace(email, tenantId, userId);
    } catch (error) {
      log.warn({ error: String(error) }, 'a workspace could not be listed; the next sign-in will');
    }
  };
}

/** For somebody whose access has ended. An entry that stays by mistake opens nothing: the tenant is asked before a mail. */
export async function leaveWorkspace(tenantId: string, email: string): Promise<void> {
  await unlistWorkspace(email, tenantId).catch((error: unknown) => {
    log.warn({ tenantId, error: String(error) }, 'a workspace was not taken off somebody’s list');
  });
}
