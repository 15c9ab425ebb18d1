import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { until } from './runs.ts';

/** A reader of server-sent events, as a browser's EventSource is one, that keeps all it was sent. */
export type Reader = {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  events: (EventSourceMessage & { said: Record<string, unknown> })[];
  beats: string[];
  /** Whether the other side has ended it. */
  closed: () => boolean;
  leave: () => void;
  incoming: IncomingMessage;
};

export async function reads(
  url: string,
  token: string,
  headers: Record<string, string> = {},
): Promise<Reader> {
  const asked = request(url, {
    headers: { accept: 'text/event-stream', authorization: `Bearer ${token}`, ...headers },
  });
  const incoming = await answered(asked);
  let over = false;
  const events: Reader['events'] = [];
  const beats: string[] = [];
  const parser = createParser({
    onEvent: (event) => events.push({ ...event, said: JSON.parse(event.data) as Record<string, unknown> }),
    onComment: (comment) => beats.push(comment),
  });
  incoming.setEncoding('utf8');
  incoming.on('data', (text: string) => parser.feed(text));
  incoming.on('close', () => {
    over = true;
  });
  incoming.on('error', () => {});
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    events,
    beats,
    closed: () => over,
    leave: () => asked.destroy(),
    incoming,
  };
}

function answered(asked: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asked.on('response', resolve).on('error', reject);
    asked.end();
  });
}

export const told = (reader: Reader, count: number) => until(async () => reader.events.length >= count);
export const ended = (reader: Reader) => until(async () => reader.closed());
export const lastOf = (reader: Reader) => reader.events.at(-1);
