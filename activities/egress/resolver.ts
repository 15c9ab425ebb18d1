import { lookup, Resolver } from 'node:dns/promises';

/** All addresses of a name. `asMachine`: with /etc/hosts and search domains, for names the operator has listed. */
export type Resolve = (host: string, asMachine: boolean) => Promise<string[]>;

/**
 * Asked of DNS directly: the machine's own lookup runs on the four threads that hashing passwords and reading files
 * need too, so that one tenant's slow name server would hold up everybody.
 */
export const resolve: Resolve = async (host, asMachine) => {
  if (asMachine) return (await lookup(host, { all: true })).map(({ address }) => address);
  return resolveBy(new Resolver({ timeout: 2_000, tries: 2 }), host);
};

export async function resolveBy(resolver: Resolver, host: string): Promise<string[]> {
  const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const found = [four, six].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (found.length === 0 && four.status === 'rejected') throw four.reason;
  return found;
}
