import { inTenant } from '../../models/scope.ts';
import { callerOf, type Reply } from './client.ts';
import { type Mailed, mailsTo } from './mails.ts';
import { placed } from './people.ts';
import { until } from './runs.ts';
import { freshSlug, type Member, password, type Shown } from './tenants.ts';

/** Inviting people through the API, and reading what was mailed to them. */
export type Invitation = {
  id: string;
  userId: string;
  email: string;
  name: string;
  roles: string[];
  state: string;
  invitedBy: string | null;
  operationId: string;
  expiresAt: string;
  sentAt: string | null;
  version: number;
};
export type Problem = {
  code: string;
  detail: string;
  errors?: { pointer: string; code: string; detail: string }[];
};

export const freshAddress = (): string => `${freshSlug('guest')}@example.com`;

export function inviteAs(
  inviter: Pick<Member, 'call'>,
  email: string,
  ...roles: string[]
): Promise<Reply<Invitation & Problem>> {
  return inviter.call<Invitation & Problem>('POST', '/v1/invitations', {
    email,
    name: 'Grace Guest',
    roles: roles.length > 0 ? roles : ['viewer'],
  });
}

/** Waits for so many mails to this address. */
export async function mailed(email: string, count = 1): Promise<Mailed[]> {
  let mails: Mailed[] = [];
  await until(async () => {
    mails = await mailsTo(email);
    return mails.length >= count;
  });
  return mails;
}

/** The token in the newest of so many mails to this address. */
export async function mailedToken(email: string, count = 1): Promise<string> {
  const mails = await mailed(email, count);
  const token = /\/invitations\/(fh_inv_\w+)/.exec(mails.at(-1)?.text ?? '')?.[1];
  if (!token) throw new Error(`no token in ${mails.at(-1)?.text}`);
  return token;
}

export const given = { name: 'Grace Guest', password };

export const accept = (token: string, headers: Record<string, string> = {}, body: object = given) =>
  callerOf().call<Problem & { userId: string }>('POST', `/v1/invitations/${token}/acceptance`, body, headers);

export const codesOf = ({ body }: Reply<Problem>): string[] | undefined =>
  body.errors?.map((fault) => `${fault.pointer} ${fault.code}`);

export const sqlIn = async (tenant: Pick<Shown, 'id'>, text: string, ...values: unknown[]) =>
  inTenant(await placed(tenant.id), (scope) => scope.sql(text, values));
