import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import type { Resolve } from '../../activities/egress/resolver.ts';
import { resolveBy } from '../../activities/egress/resolver.ts';

/**
 * A real name server on UDP whose answers change as a test wants: `answers` is asked for each question, so that a
 * name can lead elsewhere the second time (rebinding), or to several places at once.
 */
export type NameServer = { resolve: Resolve; questions: string[]; stop: () => void };

export async function nameServer(answers: (name: string, nth: number) => string[]): Promise<NameServer> {
  const socket = createSocket('udp4');
  const questions: string[] = [];
  socket.on('message', (query, from) => {
    const { name, type, end } = question(query);
    const v4 = type === 1;
    if (v4) questions.push(name);
    const found = v4 ? answers(name, questions.filter((one) => one === name).length) : [];
    socket.send(reply(query, end, found), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return { resolve: (host) => resolveBy(resolver, host), questions, stop: () => socket.close() };
}

function question(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** One A record for each address; none is the answer "there is no such name". */
function reply(query: Buffer, end: number, addresses: string[]): Buffer {
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(addresses.length > 0 ? 0x8180 : 0x8183, 2);
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt32BE(0, 8);
  const records = addresses.map((address) =>
    Buffer.concat([
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]),
      Buffer.from(address.split('.').map(Number)),
    ]),
  );
  return Buffer.concat([head, ...records]);
}
