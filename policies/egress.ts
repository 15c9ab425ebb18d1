import ipaddr from 'ipaddr.js';
import { Refusal } from './refusal.ts';

/**
 * Where an outgoing call of a tenant may go. Public unicast addresses over TLS, on the tenant's ports and to the tenant's
 * hosts; anything private only where the operator has listed it. Judged for each address a name has, at the moment of
 * connecting (activities/egress/socket.ts): what was true when a setting was saved says nothing about today's DNS.
 */
export type EgressRules = {
  /** Globs such as `*.example.com`; null is every public host. */
  allowedHosts: string[] | null;
  allowedPorts: number[];
};

/** What the operator of this installation says, in configuration. */
export type OperatorRules = {
  /** `host:port` or CIDR: may be reached although it is private, on that port or on any, in clear too. */
  allowed: string[];
  /** CIDRs that are never reached although they are public: this installation's own addresses. */
  denied: string[];
};

const egressReasons = {
  scheme: 'only https is allowed (http only to addresses the operator has listed)',
  userinfo: 'no name or password may stand in the address; credentials belong to the integration',
  host: 'this host is not on the organisation’s list of allowed hosts (setting egress.allowedHosts)',
  port: 'this port is not on the organisation’s list of allowed ports (setting egress.allowedPorts)',
  address: 'it leads to an address that is not a public one',
  redirect: 'it answered with a redirect, which is not followed; give the final address',
  size: 'its answer is larger than is accepted',
  region: 'it is not known to be in a region the organisation allows (setting llm.allowedRegions)',
} as const;
export type EgressReason = keyof typeof egressReasons;

export function egressRefusal(reason: EgressReason): Refusal {
  return new Refusal('unprocessable', `The call was not made: ${egressReasons[reason]}.`, {
    extra: { egress: reason },
  });
}

export const egressReasonOf = (refusal: Refusal): EgressReason | undefined => {
  const { egress } = refusal.extra;
  return typeof egress === 'string' && egress in egressReasons ? (egress as EgressReason) : undefined;
};

export type Target = {
  host: string;
  port: number;
  address: string;
  /** Whether nothing but a greeting passes before TLS. */
  encrypted: boolean;
};

/** Why a connection to this very address may not be made; undefined when it may. */
export function targetFault(
  target: Target,
  rules: EgressRules,
  operator: OperatorRules,
): EgressReason | undefined {
  if (operator.allowed.some((entry) => covers(entry, target))) return undefined;
  if (!target.encrypted) return 'scheme';
  if (!rules.allowedPorts.includes(target.port)) return 'port';
  return isPublic(target.address, operator.denied) ? undefined : 'address';
}

/** `localhost.` is localhost, and names are compared in lower case. */
export const plainHost = (host: string): string =>
  host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.+$/, '');

export function hostAllowed(host: string, globs: string[] | null): boolean {
  if (!globs) return true;
  return globs.some((glob) => {
    const wanted = plainHost(glob);
    if (wanted === '*') return true;
    return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) : host === wanted;
  });
}

/** Whether the operator lists this name on this port, so that it may be looked up as the machine itself does. */
export const listedByName = ({ allowed }: OperatorRules, host: string, port: number): boolean =>
  allowed.some((entry) => !entry.includes('/') && entryOf(entry) === `${host}:${port}`);

const entryOf = (entry: string): string => {
  const at = entry.lastIndexOf(':');
  return `${plainHost(entry.slice(0, at))}:${entry.slice(at + 1)}`;
};

function covers(entry: string, { host, port, address }: Target): boolean {
  if (!entry.includes('/')) return entryOf(entry) === `${host}:${port}`;
  return inRange(address, entry);
}

function inRange(address: string, cidr: string): boolean {
  const parsed = ipaddr.process(address);
  const [range, bits] = ipaddr.parseCIDR(cidr);
  return parsed.kind() === range.kind() && parsed.match(range, bits);
}

/** Azure's platform address (metadata, DNS) is a public one by number. */
const publicByNumberOnly = ['168.63.129.16/32'];
/** Of IPv6, only this has been given out for public use; the library also passes `::7f00:1`, which is 127.0.0.1. */
const publicV6 = '2000::/3';

function isPublic(address: string, denied: string[]): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  if (parsed.kind() === 'ipv6' && !inRange(address, publicV6)) return false;
  return ![...publicByNumberOnly, ...denied].some((cidr) => inRange(address, cidr));
}

/** `region` is where the provider says it computes; what is not known is nowhere the tenant allows. */
export function refuseUnlessRegion(
  region: string | null | undefined,
  allowed: string[] | null,
  ownGroup: string,
): void {
  if (!region || !(allowed ?? [ownGroup]).includes(region)) throw egressRefusal('region');
}
