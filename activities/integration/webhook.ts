import { Webhook } from 'standardwebhooks';
import { newId } from '../../models/ids.ts';
import { CheckFailed, type Connection } from './connection.ts';

/**
 * Standard Webhooks: id, time and body are signed. While a secret is exchanged there is a signature by each, of which the
 * receiver needs one.
 */
export async function sendWebhook(
  { target, credentials, egress }: Connection<'webhook'>,
  message: { id: string; payload: string },
  signal?: AbortSignal,
): Promise<number> {
  const at = new Date();
  const signatures = credentials.map((secret) => new Webhook(secret).sign(message.id, at, message.payload));
  const answer = await egress.fetch(target.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'Freehold-Webhooks/1',
      'webhook-id': message.id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': signatures.join(' '),
    },
    body: message.payload,
    ...(signal && { signal }),
  });
  // What a receiver says beyond the status is of no interest, and might be without end.
  await answer.body?.cancel();
  return answer.status;
}

export async function checkWebhook(connection: Connection<'webhook'>): Promise<void> {
  const payload = JSON.stringify({ type: 'ping', timestamp: new Date().toISOString(), data: {} });
  const status = await sendWebhook(connection, { id: newId('dlv'), payload });
  if (status === 401)
    throw new CheckFailed('auth', 'The receiver did not accept the signature; give both the same secret.');
  if (status === 403) throw new CheckFailed('permission');
  if (status < 200 || status > 299)
    throw new CheckFailed(
      'answer',
      `The receiver answered the event “ping” with ${status}; it has to answer with 2xx.`,
    );
}
