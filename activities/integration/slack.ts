import { CheckFailed, type Connection } from './connection.ts';

/** An incoming webhook as Slack, Mattermost and Rocket.Chat have it: the address itself is the secret. */
export async function sendToSlack(
  { credentials: [url], egress }: Connection<'slack'>,
  message: object,
  signal?: AbortSignal,
): Promise<number> {
  const answer = await egress.fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(message),
    ...(signal && { signal }),
  });
  await answer.body?.cancel();
  return answer.status;
}

/** A message without a text is refused by who knows the address, and is seen by nobody. */
export async function checkSlack(connection: Connection<'slack'>): Promise<void> {
  const status = await sendToSlack(connection, {});
  if ([401, 404, 410].includes(status))
    throw new CheckFailed(
      'auth',
      'There is no incoming webhook at this address (any more); make a new one and give its address.',
    );
  if (status === 403) throw new CheckFailed('permission');
  if (status >= 500 || (status >= 300 && status < 400)) throw new CheckFailed('answer');
}
