import { connect, isIP, type Socket } from 'node:net';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';
import {
  type EgressRules,
  egressRefusal,
  listedByName,
  type OperatorRules,
  targetFault,
} from '../../policies/egress.ts';
import { EgressFailure } from './failure.ts';
import type { Resolve } from './resolver.ts';

/**
 * The only way a tenant's call gets a connection. Every address the name has is judged, one that may not be reached
 * refuses the whole, only judged addresses are tried, and the one connected to is compared before a byte is sent. An
 * address written as a number goes the same way: it is its own only answer.
 */
export type Wanted = { host: string; port: number; tls: boolean | 'starttls' };
export type Guard = { rules: EgressRules; operator: OperatorRules; resolve: Resolve };

const connectMs = 10_000;
/** Certificates are checked whatever the environment says; only HTTP/1.1, of which every limit is known. */
const secured = buildConnector({
  timeout: connectMs,
  allowH2: false,
  rejectUnauthorized: true,
  maxCachedSessions: 0,
});

export async function openSocket(wanted: Wanted, guard: Guard): Promise<Socket> {
  const addresses = await judgedAddresses(wanted, guard);
  const socket = await reached(wanted, addresses);
  return wanted.tls === true ? underTls(wanted, socket) : socket;
}

async function judgedAddresses({ host, port, tls }: Wanted, guard: Guard): Promise<string[]> {
  const { rules, operator, resolve } = guard;
  const addresses = isIP(host)
    ? [host]
    : await named(host, () => resolve(host, listedByName(operator, host, port)));
  for (const address of addresses) {
    const fault = targetFault({ host, port, address, encrypted: tls !== false }, rules, operator);
    if (fault) throw egressRefusal(fault);
  }
  return addresses;
}

async function named(host: string, ask: () => Promise<string[]>): Promise<string[]> {
  try {
    const addresses = await ask();
    if (addresses.length === 0) throw new Error(`no address for ${host}`);
    return addresses;
  } catch (cause) {
    throw new EgressFailure('name', cause);
  }
}

function reached({ host, port }: Wanted, addresses: string[]): Promise<Socket> {
  const answers = addresses.map((address) => ({ address, family: isIP(address) }));
  const [first = ''] = addresses;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({
    port,
    host: isIP(host) ? first : host,
    autoSelectFamily: answers.length > 1,
    lookup: (_host, { all }, answer) => (all ? answer(null, answers) : answer(null, first, isIP(first))),
  });
  const fail = (cause: unknown) => {
    socket.destroy();
    reject(new EgressFailure('reach', cause));
  };
  const late = setTimeout(() => fail(Object.assign(new Error('too late'), { code: 'ETIMEDOUT' })), connectMs);
  socket.once('error', fail).once('connect', () => {
    clearTimeout(late);
    // Whoever gets the socket listens for themselves; in between, an error is no reason to end the process.
    socket.off('error', fail).on('error', () => {});
    if (addresses.some((address) => same(address, socket.remoteAddress))) return resolve(socket);
    socket.destroy();
    reject(egressRefusal('address'));
  });
  return promise.finally(() => clearTimeout(late));
}

const same = (address: string, peer: string | undefined): boolean =>
  peer !== undefined && ipaddr.process(address).toString() === ipaddr.process(peer).toString();

function underTls({ host, port }: Wanted, httpSocket: Socket): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const target = { hostname: host, host, protocol: 'https:', port: String(port), httpSocket };
  secured(target, (cause, socket) => {
    if (socket) return resolve(socket);
    httpSocket.destroy();
    reject(new EgressFailure('tls', cause));
  });
  return promise;
}
