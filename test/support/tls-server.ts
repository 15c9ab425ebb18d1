import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createPlain, type RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { generate } from 'selfsigned';

/** Servers of the tests' own on 127.0.0.1, over TLS with a certificate for the names a test wants. */
export type Certified = { key: string; cert: string };

export async function certificateFor(hosts: string[], until?: Date): Promise<Certified> {
  const altNames = hosts.map((host) =>
    /^[\d.]+$/.test(host) ? { type: 7 as const, ip: host } : { type: 2 as const, value: host },
  );
  // Of two trusted certificates with one name only the first is looked at.
  const made = await generate([{ name: 'commonName', value: `test ${randomUUID()}` }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 86_400_000 * 400),
    notAfterDate: until ?? new Date(Date.now() + 86_400_000 * 365),
    extensions: [{ name: 'subjectAltName', altNames }],
  });
  return { key: made.private, cert: made.cert };
}

/** Makes this process believe these certificates, as an operator does by NODE_EXTRA_CA_CERTS. */
export function trust(...certificates: Certified[]): void {
  setDefaultCACertificates([...getCACertificates('default'), ...certificates.map(({ cert }) => cert)]);
}

export type Served = { port: number; stop: () => void };

export async function tlsServer(certified: Certified, listener: RequestListener): Promise<Served> {
  return serving(createServer(certified, listener));
}

export const plainServer = (listener: RequestListener): Promise<Served> => serving(createPlain(listener));

async function serving(
  server: ReturnType<typeof createPlain> | ReturnType<typeof createServer>,
): Promise<Served> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, stop };
}
