import { config } from '../models/databases.ts';
import { usualAddress } from '../models/llm-address.ts';
import type { Sql } from '../models/scope.ts';
import { type NewProvider, unknownAgents } from '../models/tenant/llm-provider.ts';
import { llmKind } from '../policies/llm-provider.ts';
import { type Fault, Refusal } from '../policies/refusal.ts';
import { writtenAddressFault } from '../policies/written-address.ts';

/**
 * What a model provider has to be before it is saved, all faults at once. Whether it may be asked is decided anew at
 * every call (policies/llm-provider.ts), and where its address leads to is, by the egress guard.
 */
const fault = (pointer: string, detail: string): Fault => ({ pointer, code: 'not-acceptable', detail });

export async function insistOnSound(sql: Sql, given: NewProvider, more: Fault[] = []): Promise<void> {
  const unknown = await unknownAgents(sql, given.agents ?? []);
  const errors = [
    ...more,
    ...addressFaults(given),
    ...regionFaults(given),
    ...(given.apiVersion && given.kind !== 'azure'
      ? [fault('/apiVersion', 'is for providers of the kind azure only')]
      : []),
    ...(unknown.length > 0 ? [fault('/agents', `names no agent of yours: ${unknown.join(', ')}`)] : []),
  ];
  if (errors.length === 0) return;
  throw new Refusal('invalid-request', 'Some of what was sent is not acceptable; each fault is listed.', {
    errors,
  });
}

/** Of a new provider: whether its kind needs a credential, or has none. */
export function credentialFaults(
  { kind }: Pick<NewProvider, 'kind'>,
  credential: string | undefined,
): Fault[] {
  const { credential: wanted, title } = llmKind(kind);
  if (wanted === 'needed' && credential === undefined)
    return [fault('/credential', `must be given: ${title} answers nobody without one`)];
  if (wanted === 'none' && credential !== undefined)
    return [fault('/credential', `must not be given: ${title} takes none`)];
  return [];
}

/**
 * A secret goes nowhere but where it was written down for: whoever may change the address would otherwise have it sent
 * to themselves.
 */
export function movedFaults(
  before: Pick<NewProvider, 'kind' | 'baseUrl'>,
  after: Pick<NewProvider, 'kind' | 'baseUrl'>,
  { hasCredential, credential }: { hasCredential: boolean; credential: string | undefined },
): Fault[] {
  const moved = originOf(before) !== originOf(after);
  if (moved && hasCredential && credential === undefined)
    return [
      fault(
        '/credential',
        'must be given with a base URL that leads elsewhere; the old one is not sent there',
      ),
    ];
  if (!moved && credential !== undefined)
    return [fault('/credential', 'is exchanged by POST …/credential-rotations, so that there is an overlap')];
  return credential === undefined ? [] : credentialFaults(after, credential);
}

function originOf({ kind, baseUrl }: Pick<NewProvider, 'kind' | 'baseUrl'>): string | undefined {
  const address = baseUrl ?? usualAddress(kind);
  return address === undefined ? undefined : URL.parse(address)?.origin;
}

function regionFaults({ region }: NewProvider): Fault[] {
  const known = [...new Set(config().regions.map(({ group }) => group))];
  if (known.includes(region)) return [];
  return [fault('/region', `must be the group of regions it processes in, one of: ${known.join(', ')}`)];
}

function addressFaults({ kind, baseUrl }: NewProvider): Fault[] {
  if (baseUrl === null)
    return usualAddress(kind)
      ? []
      : [fault('/baseUrl', `must be given: ${llmKind(kind).title} has no usual address here`)];
  const url = URL.parse(baseUrl);
  const shape = shapeFault(url);
  return shape ? [fault('/baseUrl', shape)] : [];
}

function shapeFault(url: URL | null): string | undefined {
  if (!url || !/^https?:$/.test(url.protocol)) return 'must be an address like https://models.example.com/v1';
  if (url.username || url.password)
    return 'must hold no name or password; the secret belongs into “credential”';
  if (url.search || url.hash) return 'must end with its path, without ? and #';
  return writtenAddressFault(url, config().egress);
}
