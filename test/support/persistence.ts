import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { Caller, Reply } from './client.ts';

/** Clients as they should be: they try again with the same Idempotency-Key until they have an answer. */
export async function keptAsking<T>(
  who: Caller,
  path: string,
  key: string,
  body: unknown,
): Promise<Reply<T>> {
  for (const deadline = Date.now() + 40_000; Date.now() < deadline; await pause(200)) {
    const reply = await who.call<T>('POST', path, body, { 'idempotency-key': key }).catch(() => undefined);
    if (reply && reply.status < 300) return reply;
    // No answer at all is what a client may meet; an answer has to say that it is worth trying again.
    if (reply) assertTryLater(reply);
  }
  throw new Error(`POST ${path} was not carried out`);
}

export function assertTryLater({ status, headers, text }: Reply<unknown>): void {
  assert.equal(status, 503, text);
  assert.match(String(headers['content-type']), /^application\/problem\+json/);
  assert.ok(Number(headers['retry-after']) > 0, 'says when to come back');
}

/** One after the other until stopped; answers the names of all that were acknowledged. */
export function writingAgents(who: Caller, prefix: string): { stop: () => Promise<string[]> } {
  const written: string[] = [];
  let stopped = false;
  const writing = (async () => {
    for (let number = 0; !stopped; number += 1) {
      const name = `${prefix}-${number}`;
      await keptAsking(who, '/v1/agents', name, { name, model: 'demo' });
      written.push(name);
      await pause(20);
    }
  })();
  const stop = async () => {
    stopped = true;
    await writing;
    return written;
  };
  return { stop };
}

type Listed = { items: { name: string }[]; nextCursor: string | null };

export async function agentNames(who: Caller): Promise<string[]> {
  const names: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const path: string = `/v1/agents?limit=100${cursor && `&cursor=${cursor}`}`;
    const { body }: Reply<Listed> = await who.call<Listed>('GET', path);
    names.push(...body.items.map((agent) => agent.name));
    cursor = body.nextCursor;
  }
  return names;
}
