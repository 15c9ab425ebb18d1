import { z } from 'zod';
import type { Row, Statement } from '../../models/batch.ts';
import { readInSystem, readInTenant } from '../../models/scope.ts';
import { placeOf, systemTenantId, tenantById } from '../../models/system/tenant.ts';
import { tenantHost } from '../../models/tenant-address.ts';
import { tokenOf } from '../credential.ts';
import { askerOf, credentialStatement, goneIsInvalid, verifiedAsker } from '../principal.ts';
import { publicRoute } from '../public-route.ts';
import type { Incoming } from '../route.ts';
import { id } from '../shapes.ts';
import { precedence, type Reading, readTenant, servedElsewhere, titleOf, whyNot } from '../tenant-context.ts';

/**
 * Why a request means the tenant it means, for people who are lost and for the pages they land on. Of a tenant that
 * is not the caller's own it tells what trying to sign in there would tell, and of several that disagree nothing.
 */
const by = z.enum(precedence.map((each) => each.by));

const context = z
  .object({
    agreed: z.boolean(),
    explanation: z.string(),
    tenant: z
      .object({
        id: id('ten'),
        slug: z.string().nullable(),
        host: z.string().nullable(),
        name: z.string().nullable().meta({ description: 'Told to its own people only.' }),
        servedAt: z.string().nullable().meta({ description: 'Where to ask instead; null: here.' }),
      })
      .nullable(),
    formerAddress: z.boolean(),
    won: by.nullable(),
    signals: z.array(
      z.object({
        by,
        value: z.string().nullable().meta({ description: 'As it was sent; a credential is not repeated.' }),
        leadsSomewhere: z.boolean(),
        agrees: z.boolean(),
        former: z.boolean(),
      }),
    ),
    precedence: z.array(z.object({ by, title: z.string(), decides: z.string() })),
  })
  .meta({ id: 'Context' });

export const readContext = publicRoute({
  method: 'get',
  path: '/context',
  tag: 'Me',
  summary: 'Which tenant this request means, by which signal, and why; with or without a credential',
  counted: 'context',
  credential: 'optional',
  answers: { 200: context },
  handle: async ({ incoming }) => {
    const own = await ownTenant(incoming);
    const reading = incoming.reading ?? (await readTenant(incoming.request, own));
    const tenant = await tenantOf(reading, own);
    return { status: 200, body: shown(reading, tenant) };
  },
});

/** Whose credential it is; one that is not valid is answered as it is everywhere. */
async function ownTenant(incoming: Incoming): Promise<string | undefined> {
  if (!tokenOf(incoming.request)) return undefined;
  const asker = await askerOf(incoming);
  const ask = async (statement: Statement) =>
    (await readInTenant(asker.place, [statement]).catch(goneIsInvalid))[0] ?? [];
  const [row] = await ask(credentialStatement(asker));
  await verifiedAsker(asker, row, incoming, ask);
  return asker.token.tenantId;
}

type Shown = z.output<typeof context>['tenant'];

/** The caller's own tenant, whatever else is named; or the one that all signals agree on. */
async function tenantOf({ signals, agreed }: Reading, own: string | undefined): Promise<Shown> {
  const tenantId = own ?? (agreed ? signals[0]?.tenantId : undefined);
  if (tenantId === undefined) return null;
  if (tenantId === systemTenantId) return operators;
  const [[[row] = []], place] = await Promise.all([
    readInSystem(tenantId, [tenantById(tenantId)]),
    placeOf(tenantId),
  ]);
  if (!row || !place) return null;
  // Who names a tenant by its id alone is not told its address; who names it by the address knows that already.
  const addressed = own !== undefined || signals.some((each) => each.slug !== undefined);
  return {
    id: tenantId,
    ...(addressed ? addressOf(row) : { slug: null, host: null }),
    name: own === undefined ? null : String(row.name),
    servedAt: servedElsewhere(place.region) ?? null,
  };
}

const addressOf = (row: Row) => ({ slug: String(row.slug), host: tenantHost(String(row.slug)) });
const operators = { id: systemTenantId, slug: null, host: null, name: null, servedAt: null };

function shown(reading: Reading, tenant: Shown): z.output<typeof context> {
  const { signals } = reading;
  // An id that nobody has leads nowhere as well.
  const agreed = reading.agreed && (signals.length === 0 || tenant !== null);
  return {
    agreed,
    explanation: explained(reading, tenant),
    tenant,
    formerAddress: signals.some((each) => each.former),
    won: tenant ? (signals[0]?.by ?? null) : null,
    signals: signals.map((each) => ({
      by: each.by,
      value: each.by === 'credential' ? null : each.value,
      leadsSomewhere: each.tenantId !== undefined,
      agrees: tenant !== null && each.tenantId === tenant.id,
      former: each.former,
    })),
    precedence: precedence.map((each) => ({ ...each })),
  };
}

function explained(reading: Reading, tenant: Shown): string {
  const [first, ...others] = reading.signals;
  if (!first)
    return 'Nothing names a tenant: send a credential, or use a tenant’s host, X-Tenant or ?tenant=.';
  const home = tenant?.host ? ` Its address is ${tenant.host}.` : '';
  if (!reading.agreed) return `${whyNot(reading)}${tenant?.host ? ` Yours is at ${tenant.host}.` : ''}`;
  if (!tenant) return 'There is no such organisation.';
  const agreeing =
    others.length > 0 ? `, and ${others.map((each) => titleOf(each.by)).join(' and ')} agree` : '';
  return `It is decided by ${titleOf(first.by)}${agreeing}.${home}`;
}
