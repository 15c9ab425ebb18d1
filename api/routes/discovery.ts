import { z } from 'zod';
import { emailHash, workspacesOf } from '../../models/system/workspace.ts';
import { startDiscovery } from '../../temporal/start.ts';
import { emailAddress } from '../email-address.ts';
import { publicRoute } from '../public-route.ts';
import type { Incoming } from '../route.ts';
import { underMailRate } from '../throttle.ts';

/**
 * For people who have forgotten where they sign in: their list goes by mail to the address itself. Whoever asks is
 * told the same, at the same moment, whether or not anybody has that address: everything that depends on it happens
 * once the answer is sent. An address that is asked for again and again is mailed no more often than its owner can bear.
 */
const told = {
  detail:
    'If this address belongs to anybody here, a list of their workspaces is on its way to it. Look into your mail.',
};

export const discover = publicRoute({
  method: 'post',
  path: '/discovery',
  tag: 'Sign-in',
  summary: 'Have the list of one’s workspaces mailed to one’s address',
  counted: 'discovery',
  notStored: 'asking twice sends no second mail while the first is on its way',
  body: z.strictObject({ email: emailAddress }),
  answers: { 202: z.object({ detail: z.string() }).meta({ id: 'DiscoveryAsked' }) },
  handle: async ({ body, requestId, incoming }) => ({
    status: 202,
    body: told,
    afterCommit: () => mailList(body.email, requestId, incoming),
  }),
});

async function mailList(email: string, requestId: string, { log }: Incoming): Promise<void> {
  const hash = emailHash(email);
  try {
    if (!(await underMailRate(hash))) return;
    const known = await workspacesOf(hash);
    if (known.length > 0) await startDiscovery({ emailHash: hash, requestId });
  } catch (error) {
    log.warn({ error: String(error) }, 'a list of workspaces could not be mailed');
  }
}
