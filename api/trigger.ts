import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import { config } from '../models/databases.ts';
import type { Keyring } from '../models/keyring.ts';
import type { TenantScope } from '../models/scope.ts';
import { openInTrigger, triggerById } from '../models/tenant/trigger.ts';
import { deliveryOutcomes } from '../models/tenant/trigger-delivery.ts';
import { iso } from './present.ts';
import { id, moment } from './shapes.ts';
import { startingShown } from './start.ts';

/** Triggers and their deliveries as the API shows them. */
export const trigger = z
  .object({
    id: id('trg'),
    ...startingShown,
    deliverTo: z.string().meta({ description: 'Where senders post their messages (Standard Webhooks).' }),
    secretHint: z.string(),
    previousUntil: moment.nullable().meta({ description: 'How long the secret before stays good.' }),
    version: z.int(),
    createdAt: moment,
    updatedAt: moment,
  })
  .meta({ id: 'Trigger' });

export const triggerWithSecret = trigger
  .extend({ secret: z.string().meta({ description: 'whsec_…, shown this once.' }) })
  .meta({ id: 'TriggerWithSecret' });

export const delivery = z
  .object({
    id: id('dlv'),
    messageId: z.string(),
    outcome: z.enum(deliveryOutcomes),
    runId: id('run').nullable(),
    refusalCode: z.string().nullable(),
    attempts: z.int(),
    receivedAt: moment,
  })
  .meta({ id: 'TriggerDelivery' });

/**
 * An address names its tenant, as tokens do, so that a message is looked up in one tenant and nowhere else. It is no
 * secret: what a message is believed by is its signature.
 */
export const addressPattern = /^trg_([0-7][0-9a-hjkmnp-tv-z]{25})(?:([0-7][0-9a-hjkmnp-tv-z]{25}))?$/;

function deliverTo(tenantId: string, triggerId: string): string {
  return `${config().publicUrl}/v1/triggers/trg_${tenantId.slice(4)}${triggerId.slice(4)}/deliveries`;
}

export function readAddress(address: string): { tenantId: string; triggerId: string } | undefined {
  const [, tenant, trigger] = addressPattern.exec(address) ?? [];
  return tenant && trigger ? { tenantId: `ten_${tenant}`, triggerId: `trg_${trigger}` } : undefined;
}

export function presentTrigger(keyring: Keyring, tenantId: string, row: Row) {
  return {
    id: String(row.id),
    name: row.name,
    agentId: row.agent_id ?? null,
    workflowId: row.workflow_id ?? null,
    environment: row.environment,
    input: openInTrigger(keyring, 'sealed_input', row),
    labels: openInTrigger(keyring, 'sealed_labels', row),
    ownerId: row.owner_id,
    state: row.state,
    pauseReason: row.pause_reason ?? null,
    deliverTo: deliverTo(tenantId, String(row.id)),
    secretHint: row.secret_hint,
    previousUntil: iso(row.previous_until),
    version: Number(row.version),
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
  };
}

export function presentDelivery(row: Row) {
  return {
    id: String(row.id),
    messageId: row.message_id,
    outcome: row.outcome,
    runId: row.run_id ?? null,
    refusalCode: row.refusal_code ?? null,
    attempts: Number(row.attempts),
    receivedAt: iso(row.received_at),
  };
}

export type ShownTrigger = ReturnType<typeof presentTrigger>;

export async function shownTrigger(
  tenant: TenantScope,
  keyring: Keyring,
  tenantId: string,
  id: string,
): Promise<ShownTrigger> {
  const { text, values } = triggerById(tenantId, id);
  const [row = {}] = await tenant.sql<Row>(text, values);
  return presentTrigger(keyring, tenantId, row);
}

/** What goes to the trail: inputs and labels are sealed where they are kept, so only the rest does. */
export function tracedTrigger({ input: _input, labels: _labels, ...rest }: ShownTrigger) {
  return rest;
}
