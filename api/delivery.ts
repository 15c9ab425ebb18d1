import type { Request } from 'express';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import type { Row } from '../models/batch.ts';
import { type Keyring, keyringOf } from '../models/keyring.ts';
import { type Place, readInTenant } from '../models/scope.ts';
import { placeOf, systemTenantId } from '../models/system/tenant.ts';
import { openInTrigger, triggerToDeliver } from '../models/tenant/trigger.ts';
import { webhookSecret } from '../models/tokens.ts';
import { Refusal } from '../policies/refusal.ts';
import { isGone } from './principal.ts';
import { servedPlace } from './tenant-context.ts';
import { readAddress } from './trigger.ts';

/**
 * Whether a message may be believed: signed by a secret of the trigger it was sent to, at most five minutes ago
 * (Standard Webhooks). Where there is no such trigger the same is done with what nobody has, so that neither the
 * answer nor the time it takes tells which triggers there are.
 */
export type Delivery = {
  place: Place & { region: string };
  trigger: Row;
  keyring: Keyring;
  messageId: string;
  at: string;
};

const messageIdPattern = /^[\x21-\x7e]{1,255}$/;
const nobodys = webhookSecret();

export function notBelieved(): Refusal {
  return new Refusal(
    'unauthenticated',
    'This message is not believed. It needs the address of a trigger and the headers webhook-id, webhook-timestamp (at most 5 minutes old) and webhook-signature (v1, by the trigger’s secret): see standardwebhooks.com.',
  );
}

export async function believed(request: Request, address: string): Promise<Delivery | undefined> {
  const named = readAddress(address) ?? { tenantId: systemTenantId, triggerId: '' };
  const place = (await placeFor(named.tenantId)) ?? (await placeOf(systemTenantId));
  if (!place) throw new Error('bug: the system tenant has no place');
  const [rows = []] = await readInTenant(place, [triggerToDeliver(place.tenantId, named.triggerId)]).catch(
    (cause: unknown) => {
      if (isGone(cause)) return [[]];
      throw cause;
    },
  );
  const [trigger] = rows;
  const keyring = await keyringOf(place).catch((cause: unknown) => {
    if (cause instanceof Refusal && cause.code === 'conflict') return undefined;
    throw cause;
  });
  const secrets = trigger && keyring ? secretsOf(keyring, trigger) : [nobodys];
  const id = request.headers['webhook-id'];
  const signed = secrets.map((secret) => isSigned(secret, request)).includes(true);
  if (!signed || !trigger || !keyring || typeof id !== 'string' || !messageIdPattern.test(id))
    return undefined;
  const at = new Date(Number.parseInt(String(request.headers['webhook-timestamp']), 10) * 1000).toISOString();
  return { place, trigger, keyring, messageId: id, at };
}

async function placeFor(tenantId: string) {
  await servedPlace(tenantId);
  return placeOf(tenantId);
}

function secretsOf(keyring: Keyring, trigger: Row): string[] {
  const until = trigger.previous_until;
  const columns = ['sealed_secret' as const];
  const good = until instanceof Date && until.getTime() > Date.now();
  return [...columns, ...(good ? (['sealed_previous_secret'] as const) : [])]
    .map((column) => openInTrigger(keyring, column, trigger))
    .filter((secret) => typeof secret === 'string');
}

function isSigned(secret: string, { body, headers }: Request): boolean {
  const given = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
  try {
    const said = given.map((name) => [name, String(headers[name] ?? '')]);
    new Webhook(secret).verify(String(body), Object.fromEntries(said), { jsonParse: false });
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}
