import assert from 'node:assert/strict';
import { readInSystem } from '../../models/scope.ts';
import { emailHash } from '../../models/system/workspace.ts';
import { callerOf, operator, type Reply } from './client.ts';
import { asked, follow, freshSlug, invitationToken, password, type Shown } from './tenants.ts';
import { eventually } from './traces.ts';

/** Who has which workspaces, and what is mailed to them about it. */
export type Mail = { to: string; subject: string; text: string; links: string[] };

const nobody = callerOf();
const subject = 'Where you can sign in';

export const askFor = (email: unknown, headers = {}): Promise<Reply> =>
  nobody.call('POST', '/v1/discovery', { email }, headers);

export async function listsTo(email: string): Promise<Mail[]> {
  const { body } = await operator().call<{ items: Mail[] }>('GET', '/v1/mailbox?limit=200');
  return body.items.filter((mail) => mail.subject === subject && mail.to.includes(email));
}

export async function listTo(email: string): Promise<Mail> {
  let found: Mail | undefined;
  await eventually(async () => {
    [found] = await listsTo(email);
    assert.ok(found, `no list was mailed to ${email}`);
  });
  return found ?? assert.fail();
}

export async function entries(email: string): Promise<string[]> {
  const statement = {
    text: 'SELECT tenant_id FROM workspaces WHERE email_hash = $1',
    values: [emailHash(email)],
  };
  const [rows = []] = await readInSystem('platform', [statement]);
  return rows.map((row) => String(row.tenant_id)).sort();
}

/** Somebody who is administrator in all of these, each under an address of their own spelling. */
export async function everywhere(email: string, spellings: string[]): Promise<Shown[]> {
  const tenants = [];
  for (const spelling of spellings) {
    const slug = freshSlug();
    const region = tenants.length % 2 === 0 ? 'eu' : 'us';
    const body = asked(slug, { name: `Works ${slug}`, region, admin: { email: spelling, name: 'Ada' } });
    const made = await operator().call<Shown>('POST', '/v1/tenants', body);
    await follow(made.body.operation.id);
    const token = await invitationToken(spelling);
    const accepted = await nobody.call('POST', `/v1/invitations/${token}/acceptance`, {
      name: 'Ada',
      password,
    });
    assert.equal(accepted.status, 201, accepted.text);
    tenants.push(made.body);
  }
  await eventually(async () => assert.equal((await entries(email)).length, spellings.length));
  return tenants;
}

export const freshAddress = () => `${freshSlug('ada')}@people.example`;
