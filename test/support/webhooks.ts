import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { createIntegration } from '../../models/tenant/integration.ts';
import { verdictsOf, type WebhookEvent } from '../../policies/integration.ts';
import { freshSlug } from './tenants.ts';
import { plainServer } from './tls-server.ts';

/** A real server that receives webhooks and answers as a test wants, and integrations that lead to it. */
type Received = { path: string; headers: IncomingHttpHeaders; body: string };
export type Receiver = { id: string; path: string };
export type Hooks = {
  port: number;
  received: Received[];
  /** What the receiver of a path answers, one after the other; the last for good. */
  answers: Map<string, number[]>;
  stop: () => void;
};

export const secretOf = (fill: number) => `whsec_${Buffer.alloc(32, fill).toString('base64')}`;

export async function hookServer(): Promise<Hooks> {
  const received: Received[] = [];
  const answers: Hooks['answers'] = new Map();
  const { port, stop } = await plainServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { url: path = '', headers } = request;
      received.push({ path, headers, body: Buffer.concat(chunks).toString() });
      const queue = answers.get(path) ?? [200];
      response.writeHead((queue.length > 1 ? queue.shift() : queue[0]) ?? 200).end('a body nobody reads');
    });
  });
  return { port, received, answers, stop };
}

/** Made past the API, so that it need not be tried. */
export async function receiverIn(
  place: Place,
  hooks: Hooks,
  { statuses = [200], events = ['run.finished'] }: { statuses?: number[]; events?: WebhookEvent[] } = {},
): Promise<Receiver> {
  const path = `/${freshSlug('hook')}`;
  hooks.answers.set(path, statuses);
  const keyring = await keyringOf(place);
  const target = { url: `http://127.0.0.1:${hooks.port}${path}`, events };
  const given = {
    kind: 'webhook',
    name: freshSlug('hook'),
    target,
    credential: secretOf(1),
    expiresAt: null,
  } as const;
  const found = { verdicts: verdictsOf(), certificateUntil: null };
  const id = await inTenant(place, ({ sql }) => createIntegration(sql, keyring, given, found));
  return { id, path };
}

export async function statesOf(place: Place, { id }: Receiver): Promise<string[]> {
  const rows = await inTenant(place, ({ sql }) =>
    sql<{ state: string }>('SELECT state FROM webhook_deliveries WHERE integration_id = $1 ORDER BY id', [
      id,
    ]),
  );
  assert.ok(rows.length < 100);
  return rows.map(({ state }) => state);
}
