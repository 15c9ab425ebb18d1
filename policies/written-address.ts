import { isIP } from 'node:net';
import { listedByName, type OperatorRules, plainHost, targetFault } from './egress.ts';

/** Names that lead nowhere but to this machine or this network, whatever DNS says. */
const privateNames = /(^|\.)(localhost|local|internal|intranet|lan|home|corp|arpa|test|invalid|onion)$/;

/**
 * What is wrong with an address as it is written, before anything is looked up; undefined when nothing is. Only a first
 * word: what a name leads to is judged at every connection.
 */
export function writtenAddressFault(url: URL, operator: OperatorRules): string | undefined {
  const host = plainHost(url.hostname);
  const encrypted = url.protocol === 'https:';
  const port = Number(url.port) || (encrypted ? 443 : 80);
  if (listedByName(operator, host, port)) return undefined;
  const literal = isIP(host) !== 0;
  // A public address stands in for the one a name may have.
  const address = literal ? host : '8.8.8.8';
  const reason = targetFault(
    { host, port, address, encrypted },
    { allowedHosts: null, allowedPorts: [port] },
    operator,
  );
  if (reason === 'scheme') return 'must begin with https://';
  if (reason || (!literal && (privateNames.test(host) || !host.includes('.'))))
    return 'must be a public host; private ones are for the operator of this installation to allow';
  return undefined;
}
