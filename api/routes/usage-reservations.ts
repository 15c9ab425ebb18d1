import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { insistAllowed } from '../../models/tenant/acting.ts';
import { releaseIn, reserve } from '../../models/tenant/quota-ledger.ts';
import { usageOwners } from '../../models/tenant/usage-owners.ts';
import { isFor, ledgerId, usageReservation } from '../../models/tenant/usage-reservation.ts';
import { Refusal } from '../../policies/refusal.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';
import {
  type NewReservation,
  newReservation,
  presentReservation,
  reservation,
  reservationId,
  secondsOf,
} from '../usage-reservation.ts';

/** Other systems hold what they may use at most before they use it, and report what it was; limits hold for them exactly. */
const tag = 'Usage';
const permit = ['report', 'Usage'] as const;
const path = '/usage/reservations/:reservationId';
const params = z.strictObject({ reservationId });

export const makeReservation = tenantWrite({
  method: 'post',
  path: '/usage/reservations',
  routeClass: 'events',
  tag,
  summary: 'Hold what another system may use at most, before it does; under an id of its own, once',
  permit,
  body: newReservation,
  answers: { 201: reservation },
  notStored: 'asked again under its id it is the same',
  // In a transaction of its own: what many hold of one limit at once is held together, and nobody waits for a whole request.
  prepare: async ({ body, place, principal }) => {
    const tags = await insistUsable(place, body, principal.id);
    const { amounts, ...holding } = body;
    return reserve(place, { ...holding, id: ledgerId(body.id), seconds: secondsOf(body), tags }, amounts);
  },
  handle: async ({ tenant: { sql }, tenantId, body, prepared }) => {
    const { text, values } = usageReservation(tenantId, body.id);
    const [row] = await sql(text, values);
    const amounts = [...prepared.amounts].map(([meter, amount]) => ({ meter, amount }));
    return {
      status: 201,
      body: row
        ? { ...presentReservation(row), amounts }
        : { id: body.id, state: 'unlimited', amounts, expiresAt: null },
      headers: { Location: `/v1/usage/reservations/${body.id}` },
      audit: { id: body.id, details: { amounts } },
    };
  },
});

/**
 * Tags of the agent it is for. Whom it names has to be of this organisation and not to be kept from using more, and what is
 * held or over under its id is nothing else than this.
 */
async function insistUsable(place: Place, wanted: NewReservation, reporter: string): Promise<string[]> {
  const names = (['agentId', 'keyId', 'runId'] as const).filter((name) => wanted[name] !== undefined);
  return inTenant(place, async ({ sql }) => {
    const { ids, tags } = await usageOwners(
      sql,
      names.map((name) => wanted[name] ?? ''),
    );
    const errors = names
      .filter((name) => !ids.has(wanted[name] ?? ''))
      .map((name) => ({
        pointer: `/${name}`,
        code: 'not-found',
        detail: `There is no ${wanted[name]} in this organisation.`,
      }));
    if (errors.length > 0)
      throw new Refusal('invalid-request', 'Nothing can be held for whom there is not.', { errors });
    const { text, values } = usageReservation(place.tenantId, wanted.id);
    const [row] = await sql(text, values);
    if (row) insistSame(row, wanted);
    for (const principalId of [reporter, ...(wanted.keyId ? [wanted.keyId] : [])])
      await insistAllowed(sql, 'call a model', { principalId, agentId: wanted.agentId });
    return tags.get(wanted.agentId ?? '') ?? [];
  });
}

function insistSame(row: Row, { id, amounts }: NewReservation): void {
  if (row.state !== 'held')
    throw new Refusal('conflict', `${id} is over (${row.state}); what begins anew takes an id of its own.`);
  if (!isFor(row, amounts))
    throw new Refusal(
      'conflict',
      `${id} is held for other amounts; give it back first, or take another id for what is asked now.`,
    );
}

export const readReservation = tenantRead({
  method: 'get',
  path,
  tag,
  summary: 'Whether it is still held',
  permit,
  params,
  answers: { 200: reservation },
  load: ({ tenantId, params: { reservationId: id } }) => usageReservation(tenantId, id),
  handle: ({ row }) => ({ status: 200, body: presentReservation(row) }),
});

export const releaseReservation = tenantWrite({
  method: 'delete',
  path,
  routeClass: 'events',
  tag,
  summary: 'Give back what is held, for nothing of it was used',
  permit,
  params,
  answers: { 204: null },
  load: ({ tenantId, params: { reservationId: id } }) => usageReservation(tenantId, id),
  handle: async ({ tenant: { sql }, params: { reservationId: id } }) => {
    await releaseIn(sql, [ledgerId(id)]);
    return { status: 204, audit: { id, details: { released: true } } };
  },
});
