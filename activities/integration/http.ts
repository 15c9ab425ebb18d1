import * as oauth from 'openid-client';
import { inTenant } from '../../models/scope.ts';
import { keepToken, openToken, type Token } from '../../models/tenant/integration-use.ts';
import { CheckFailed, type Connection } from './connection.ts';

/** How a call to an HTTP API is authorised. Whatever the caller set under the same name is overwritten. */
export async function authorised(
  connection: Connection<'http'>,
  fresh = false,
): Promise<Record<string, string>> {
  const { target, credentials } = connection;
  const [secret] = credentials;
  if (target.auth === 'bearer') return { authorization: `Bearer ${secret}` };
  if (target.auth === 'header') return { [(target.header ?? '').toLowerCase()]: secret };
  if (target.auth === 'basic') {
    const pair = Buffer.from(`${target.username}:${secret}`).toString('base64');
    return { authorization: `Basic ${pair}` };
  }
  return { authorization: `Bearer ${await accessToken(connection, fresh)}` };
}

/** A token is used up to this long before its end. */
const earlyMs = 30_000;
const usualSeconds = 300;

async function accessToken(connection: Connection<'http'>, fresh: boolean): Promise<string> {
  const { id, kept } = connection;
  if (kept?.sealed && id && !fresh) {
    const token = openToken(kept.keyring, id, kept.sealed);
    if (token.until - earlyMs > Date.now()) return token.value;
  }
  const token = await granted(connection);
  if (kept && id) {
    const { place, keyring, version } = kept;
    await inTenant(place, ({ sql }) => keepToken(sql, keyring, { id, version }, token));
  }
  return token.value;
}

async function granted({ target, credentials, egress }: Connection<'http'>): Promise<Token> {
  const { tokenUrl = '', clientId = '', scope } = target;
  const server = { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl };
  const configured = new oauth.Configuration(server, clientId, { client_secret: credentials[0] });
  // Its types want their own RequestInit; what it gives is the platform's.
  configured[oauth.customFetch] = (url, init) => egress.fetch(url, init as RequestInit);
  // Whether an address may be called in clear is the guard's to say, and it is stricter.
  if (tokenUrl.startsWith('http:')) oauth.allowInsecureRequests(configured);
  try {
    const answer = await oauth.clientCredentialsGrant(configured, scope === undefined ? {} : { scope });
    const seconds = answer.expiresIn() ?? usualSeconds;
    return { value: answer.access_token, until: Date.now() + seconds * 1000 };
  } catch (cause) {
    if (cause instanceof oauth.ResponseBodyError || cause instanceof oauth.WWWAuthenticateChallengeError)
      throw new CheckFailed(
        'auth',
        'The token endpoint did not accept client id and secret; give valid ones.',
        cause,
      );
    if (cause instanceof oauth.ClientError)
      throw new CheckFailed(
        'answer',
        'The token endpoint did not answer as OAuth 2.0 says; check its address.',
        cause,
      );
    throw cause;
  }
}

export async function checkHttp(connection: Connection<'http'>): Promise<void> {
  const { target, egress } = connection;
  const base = target.url.replace(/\/$/, '');
  const headers = { ...(await authorised(connection, true)), accept: '*/*' };
  const answer = await egress.fetch(`${base}${target.checkPath ?? '/'}`, { headers });
  await answer.body?.cancel();
  judge(answer.status, target.checkPath !== undefined);
}

/** Without a path of its own to try, that there is nothing at the root is no fault. */
function judge(status: number, named: boolean): void {
  if (status === 401 || status === 407) throw new CheckFailed('auth');
  if (status === 403) throw new CheckFailed('permission');
  if (status >= 500) throw new CheckFailed('answer');
  if (named && (status < 200 || status > 299))
    throw new CheckFailed('answer', `checkPath answers ${status}; name a path that answers with success.`);
}
