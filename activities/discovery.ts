import { schemaOf } from '../models/ids.ts';
import { keyringOf } from '../models/keyring.ts';
import { readInTenant } from '../models/scope.ts';
import { placeOf } from '../models/system/tenant.ts';
import { emailHash, type Workspace, workspacesOf } from '../models/system/workspace.ts';
import { emailKey } from '../models/tenant/email-key.ts';
import { emailOf } from '../models/tenant/person.ts';
import { tenantUrl } from '../models/tenant-address.ts';
import { activity } from './activity.ts';
import { deliver } from './mail.ts';

/** Nothing in it names a person: the address is found where it belongs, inside the tenants themselves. */
export type Discovery = { emailHash: string; requestId: string; runId: string };

/**
 * Each tenant on the list is asked itself whether this person is still there under this address. A tenant whose
 * region does not answer is waited for: half a list would say that the other half is not there.
 */
export const mailWorkspaces = activity(['send', 'Discovery'], async (asked: Discovery, _by, requestId) => {
  const listed = await workspacesOf(asked.emailHash);
  const entered = await Promise.all(listed.map((workspace) => addressIn(workspace, asked.emailHash)));
  const open = listed.filter((_, at) => entered[at] !== undefined);
  const address = entered.find((each) => each !== undefined);
  if (address === undefined) return;
  await deliver({
    id: `workspaces-${asked.runId}`,
    to: { name: '', address },
    subject: 'Where you can sign in',
    text: listText(open),
    requestId,
  });
});

/**
 * The address in the form in which all tenants compare it: the spelling of one tenant must not be able to lead the
 * list of all to a mailbox of its own.
 */
async function addressIn({ tenantId, userId }: Workspace, hash: string): Promise<string | undefined> {
  const place = await placeOf(tenantId);
  if (!place) return undefined;
  const schema = schemaOf(tenantId);
  const [rows] = await readInTenant(place, [
    {
      text: `SELECT u.sealed_email FROM ${schema}.users u CROSS JOIN ${schema}.tenant t
             WHERE u.id = $1 AND u.state = 'active' AND t.state = 'active'`,
      values: [userId],
    },
  ]);
  const sealed = rows?.[0]?.sealed_email;
  if (!Buffer.isBuffer(sealed)) return undefined;
  const address = emailKey(emailOf(await keyringOf(place), userId, { sealed_email: sealed }));
  return emailHash(address) === hash ? address : undefined;
}

function listText(workspaces: Workspace[]): string {
  const lines = workspaces.map(({ name, slug }) => `${name}\n${tenantUrl(slug, '/')}`);
  return `Hello,

somebody, probably you, asked where this address can sign in:

${lines.join('\n\n')}

If it was not you, do nothing: the list was sent to nobody else.
`;
}
