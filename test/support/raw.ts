import { connect } from 'node:net';
import { sharedUrl } from './tenants.ts';

/** A request as it stands on the wire, in whatever form no client would send it. Resolves with the whole answer. */
export function rawRequest(lines: string[], base = sharedUrl()): Promise<string> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () =>
      socket.write(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')),
    );
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('end', () => resolve(answer)).on('error', reject);
  });
}

/** The host of a tenant of the shared installation. */
export const hostOf = (slug: string): string => `${slug}.localhost:${new URL(sharedUrl()).port}`;
