import { z } from 'zod';
import { auditInTenant } from '../../models/audit.ts';
import { config } from '../../models/databases.ts';
import { setCustomerKey, tryCustomerKey } from '../../models/key-change.ts';
import { keyFacts } from '../../models/key-facts.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { customerArn, endpointFault } from '../../policies/customer-key.ts';
import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import { dryRun } from '../shapes.ts';
import { tenantWrite } from '../tenant-route.ts';

/**
 * A key that the organisation keeps in AWS KMS, around its key here. Taken away there, nothing of the organisation opens
 * here any more; given back, all of it does. It is used before it is relied on.
 */
const tag = 'Encryption key';
const path = '/encryption-key/customer-key';
const permit = ['administer', 'EncryptionKey'] as const;

const customerKey = z
  .object({ arn: z.string(), endpoint: z.string().nullable() })
  .meta({ id: 'CustomerKey' });
const would = z.object({ would: z.object({ wrap: customerKey.nullable(), versions: z.int() }) });

export const putCustomerKey = tenantWrite({
  method: 'put',
  path,
  tag,
  summary: 'Put a key of the organisation’s own, in AWS KMS, around everything; tried before it is relied on',
  permit,
  inTurn: true,
  query: z.strictObject({ dryRun }),
  body: z.strictObject({
    arn: z
      .string()
      .max(300)
      .regex(
        customerArn,
        'must be the ARN of an AWS KMS key, such as arn:aws:kms:eu-west-1:111122223333:key/…',
      ),
    endpoint: z
      .url({ protocol: /^https?$/ })
      .max(300)
      .optional()
      .meta({ description: 'Default: AWS KMS in the region of the key.' }),
  }),
  answers: { 200: z.union([customerKey, would.meta({ id: 'CustomerKeyPreview' })]) },
  prepare: async (call) => {
    const { arn, endpoint } = call.body;
    const fault = endpointFault(arn, endpoint, config().kms.customerEndpoints);
    if (fault) throw unacceptable('/endpoint', fault);
    await tryCustomerKey(call.place, { arn, endpoint }).catch((cause: unknown) => {
      if (!(cause instanceof Refusal)) throw cause;
      throw unacceptable('/arn', cause.message, cause);
    });
    if (!call.query.dryRun) await recordAsked(call, { arn, endpoint: endpoint ?? null });
  },
  handle: async ({ body: { arn, endpoint }, query, place, tenantId }) => {
    const address = { arn, endpoint };
    const facts = (await keyFacts(place)).filter(({ endedAt }) => endedAt === null);
    const shown = { arn, endpoint: endpoint ?? null };
    if (query.dryRun)
      return { status: 200, body: { would: { wrap: shown, versions: facts.length } }, unchanged: true };
    await setCustomerKey(place, address);
    const before = customerOf(facts[0]);
    return { status: 200, body: shown, audit: { id: tenantId, ...(before && { before }), after: shown } };
  },
});

export const removeCustomerKey = tenantWrite({
  method: 'delete',
  path,
  tag,
  summary: 'Take the organisation’s own key away again; needs access to it once more',
  permit,
  inTurn: true,
  query: z.strictObject({ dryRun }),
  answers: { 200: would.meta({ id: 'CustomerKeyRemovalPreview' }), 204: null },
  prepare: async (call) => {
    const [newest] = (await keyFacts(call.place)).filter(({ endedAt }) => endedAt === null);
    if (!call.query.dryRun && customerOf(newest)) await recordAsked(call);
  },
  handle: async ({ query, place, tenantId }) => {
    const facts = (await keyFacts(place)).filter(({ endedAt }) => endedAt === null);
    const before = customerOf(facts[0]);
    if (!before) throw new Refusal('conflict', 'The organisation has no key of its own here.');
    if (query.dryRun)
      return { status: 200, body: { would: { wrap: null, versions: facts.length } }, unchanged: true };
    await setCustomerKey(place, undefined);
    return { status: 204, audit: { id: tenantId, before } };
  },
});

type Asked = { place: Place; tenantId: string; principal: Principal; requestId: string };

/**
 * The wrapping stands in the cell's own tables and commits by itself, so that nobody could tell of it whose transaction
 * failed after that. What is about to be done is in the trail before it is done.
 */
async function recordAsked({ place, tenantId, principal, requestId }: Asked, after?: object): Promise<void> {
  await inTenant(place, ({ sql }) =>
    auditInTenant(sql, {
      actor: principal,
      action: permit.join(' '),
      subject: { type: 'EncryptionKey', id: tenantId },
      outcome: 'asked',
      rule: 'may administer EncryptionKey',
      requestId,
      after,
      details: { customerKey: after === undefined ? 'remove' : 'put' },
    }),
  );
}

type Facts = Awaited<ReturnType<typeof keyFacts>>[number];
const customerOf = (facts: Facts | undefined) =>
  facts?.customerArn ? { arn: facts.customerArn, endpoint: facts.customerEndpoint } : undefined;

function unacceptable(pointer: string, detail: string, cause?: unknown): Refusal {
  return new Refusal('unprocessable', 'This key cannot be put around the organisation’s data.', {
    errors: [{ pointer, code: 'not-usable', detail }],
    cause,
  });
}
