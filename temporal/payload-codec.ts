import type { Payload, PayloadCodec, SerializationContext } from '@temporalio/common';
import { type Keyring, keyringOf } from '../models/keyring.ts';
import { placeOf } from '../models/system/tenant.ts';
import { Refusal } from '../policies/refusal.ts';
import { tenantOfWorkflow } from '../workflows/registry.ts';
import { neutralLine } from '../workflows/run-registry.ts';

/**
 * What a region's namespace keeps of a run is sealed under its tenant's key: inputs, results, heartbeats, the text of
 * failures. A sealed payload says in clear which workflow it was sealed for, and is bound to that: with any other name
 * on it, it does not open. A schedule seals under its own id and its runs have longer ones, so between workflows of
 * one tenant payloads may move; to another tenant they may not. Without a tenant nothing is sealed, opened or sent.
 */
const sealedEncoding = 'binary/freehold-sealed';
const sealedFor = 'freehold-workflow';
const column = 'temporal.payload';

/** Protobuf's JSON of a payload: what is sealed, and what the Temporal UI sends and is answered. */
export type PayloadJson = { metadata?: Record<string, string> | undefined; data?: string | undefined };

export function toJson({ metadata, data }: Payload): PayloadJson {
  const entries = Object.entries(metadata ?? {}).map(([name, value]) => [name, base64(value)]);
  return { metadata: Object.fromEntries(entries), data: base64(data ?? new Uint8Array()) };
}

export function fromJson({ metadata = {}, data = '' }: PayloadJson): Payload {
  const entries = Object.entries(metadata).map(([name, text]) => [name, Buffer.from(text, 'base64')]);
  return { metadata: Object.fromEntries(entries), data: Buffer.from(data, 'base64') };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const textOf = ({ metadata }: Payload, name: string): string | undefined =>
  metadata?.[name] && Buffer.from(metadata[name]).toString();

export const isSealed = (payload: Payload): boolean => textOf(payload, 'encoding') === sealedEncoding;

/** The workflow a sealed payload says it was sealed for; opening it proves that. */
export const workflowOf = (payload: Payload): string => textOf(payload, sealedFor) ?? '';

export function sealPayload(keyring: Keyring, workflowId: string, payload: Payload): Payload {
  const sealed = keyring.seal(column, workflowId, JSON.stringify(toJson(payload)));
  return {
    metadata: { encoding: Buffer.from(sealedEncoding), [sealedFor]: Buffer.from(workflowId) },
    data: sealed,
  };
}

/** Throws when it was changed, is another tenant's, or its key is gone. */
export function openPayload(keyring: Keyring, payload: Payload): Payload {
  const text = keyring.open(column, workflowOf(payload), Buffer.from(payload.data ?? []));
  // sealPayload above is the only one that seals in this column.
  return fromJson(JSON.parse(text) as PayloadJson);
}

/**
 * A worker that throws while it writes down a failure is ended by the SDK, which then also says nothing of whose failure
 * it is. So the text of a failure that cannot be sealed, for want of a key or of a tenant, is withheld; anything else
 * that cannot be sealed is thrown, for it must not be lost.
 */
export const payloadCodec: PayloadCodec = {
  async encode(payloads, context) {
    if (payloads.every(isNeutral)) return payloads;
    const workflowId = context?.workflowId;
    const keyring = workflowId === undefined ? undefined : await keyringFor(workflowId).catch(asCause);
    return payloads.map((payload) => {
      if (isNeutral(payload)) return payload;
      if (workflowId !== undefined && keyring && !(keyring instanceof Unsealable))
        return sealPayload(keyring, workflowId, payload);
      if (workflowId === undefined || isFailureText(payload)) return withheld;
      throw keyring;
    });
  },
  async decode(payloads, context) {
    if (payloads.every(isNeutral)) return payloads;
    const workflowId = contextOf(context);
    const keyring = await keyringFor(workflowId);
    return payloads.map((payload) => {
      if (isNeutral(payload)) return payload;
      if (!isSealed(payload)) throw new Error('a payload in a region’s namespace is not sealed');
      if (tenantOfWorkflow(workflowOf(payload)) !== tenantOfWorkflow(workflowId))
        throw new Error('a payload is another tenant’s');
      return openPayload(keyring, payload);
    });
  },
};

class Unsealable extends Error {}
const asCause = (cause: unknown): Unsealable => new Unsealable('a payload cannot be sealed', { cause });

const withheldText = '{"message":"withheld","stack_trace":""}';
const withheld: Payload = {
  metadata: { encoding: Buffer.from('json/plain') },
  data: Buffer.from(withheldText),
};

/** As `encodeCommonAttributes` of the failure converter writes it. */
function isFailureText({ data }: Payload): boolean {
  try {
    const text: unknown = JSON.parse(Buffer.from(data ?? []).toString());
    const names = typeof text === 'object' && text !== null ? Object.keys(text).toSorted().join() : '';
    return names === 'message,stack_trace';
  } catch {
    return false;
  }
}

/**
 * Our own words for the Temporal UI, which operators read without a tenant's key: exactly these, as a text by itself.
 * They stand in clear in both directions, and say nothing but what kind of step comes as the how-many-eth.
 */
function isNeutral({ metadata, data }: Payload): boolean {
  if (!metadata?.encoding || Buffer.from(metadata.encoding).toString() !== 'json/plain') return false;
  if (data == null || data.length > neutralBytesMax) return false;
  const text = Buffer.from(data).toString();
  return text === withheldText || neutralLine.test(text);
}
const neutralBytesMax = 200;

function contextOf(context: SerializationContext | undefined): string {
  const workflowId = context?.workflowId;
  if (!workflowId) throw new Error('bug: a payload without a workflow has no tenant');
  return workflowId;
}

async function keyringFor(workflowId: string): Promise<Keyring> {
  const tenantId = tenantOfWorkflow(workflowId);
  const place = tenantId === undefined ? undefined : await placeOf(tenantId);
  if (!place) throw new Refusal('not-found', `The workflow ${workflowId} belongs to no tenant.`);
  return keyringOf(place);
}
