import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './equipment.ts';

/**
 * Stands between two parts and loses what a network can lose. `silent`: what is asked is swallowed and never
 * answered. `deaf`: what is asked arrives, and its answer is lost.
 */
export type Wire = { address: string; mode: 'open' | 'silent' | 'deaf'; close(): Promise<void> };

export async function proxyTo(target: string): Promise<Wire> {
  const [host, port] = target.split(':');
  const sockets = new Set<Socket>();
  const own = await freePort();
  const proxy: Wire = { address: `127.0.0.1:${own}`, mode: 'open', close };
  const server = createServer((asking) => {
    const answering = connect(Number(port), host);
    const pair: [Socket, Socket, () => boolean][] = [
      [asking, answering, () => proxy.mode !== 'silent'],
      [answering, asking, () => proxy.mode === 'open'],
    ];
    for (const [from, to, passes] of pair) {
      sockets.add(from);
      from.on('data', (bytes) => passes() && to.write(bytes));
      from.on('close', () => to.destroy());
      // Both ends are killed in these tests; that is what `close` tells.
      from.on('error', () => {});
    }
  });
  async function close(): Promise<void> {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
  server.listen(own, '127.0.0.1');
  await once(server, 'listening');
  return proxy;
}
