import { z } from 'zod';
import { auditInTenant } from '../../models/audit.ts';
import type { Sql } from '../../models/scope.ts';
import { faultsOfInvitees, type Inviter } from '../../models/tenant/invitees.ts';
import type { Invitee } from '../../models/tenant/inviting.ts';
import { lockSeats, type Seats, seatFault } from '../../models/tenant/seats.ts';
import { type Fault, Refusal } from '../../policies/refusal.ts';
import { pointerTo } from '../body.ts';
import { invitationsOfCsv } from '../csv.ts';
import { faultsOf } from '../faults.ts';
import { invitation, inviteAll, invitee, shownInvitation } from '../invitations.ts';
import type { Answer } from '../route.ts';
import { dryRun } from '../shapes.ts';
import { tenantWrite } from '../tenant-route.ts';

/** Many invitations at once: every fault of every row is told, and either all are sent or none. */
const atOnceMax = 200;

const rowFault = z.object({
  row: z.int().nullable().meta({ description: 'Counted from 1, without the header of a CSV.' }),
  pointer: z.string(),
  code: z.string(),
  detail: z.string(),
});

const judgement = z
  .object({
    would: z.object({
      invite: z.int(),
      seats: z.object({ wanted: z.int(), taken: z.int(), limit: z.int().nullable() }),
    }),
    faults: z.array(rowFault),
  })
  .meta({ id: 'InvitationsJudged' });

export const inviteMany = tenantWrite({
  method: 'post',
  path: '/invitations/bulk',
  tag: 'Invitations',
  summary: 'Invite many people: all of them, or none when a row is at fault',
  permit: ['create', 'Invitation'],
  inTurn: true,
  query: z.strictObject({ dryRun }),
  body: z.strictObject({
    invitations: z
      .array(z.unknown().meta({ description: 'As the body of POST /v1/invitations.' }))
      .min(1, 'must have at least one row')
      .max(atOnceMax, `must have at most ${atOnceMax} rows`),
  }),
  csv: invitationsOfCsv,
  answers: { 200: judgement, 201: z.object({ items: z.array(invitation) }) },
  handle: async ({ tenant, body, query, rights, ...call }): Promise<Answer> => {
    const { tenantId, principal, requestId, source } = call;
    const seats = await lockSeats(tenant.sql);
    const judged = await judge(tenant.sql, { tenantId, rights }, body.invitations);
    const faults = [...judged.faults, ...seatFaults(seats, judged.invitees.length)];
    if (query.dryRun) {
      const wanted = judged.invitees.length;
      // All or none: one that stands in the way stands in the way of all.
      const would = { invite: faults.length > 0 ? 0 : wanted, seats: { wanted, ...seats } };
      return { status: 200, body: { would, faults: faults.map(shown) }, unchanged: true };
    }
    refuseAny(faults);
    const { ids, begin } = await inviteAll(tenant, call, judged.invitees);
    const items = [];
    for (const each of ids) {
      const after = await shownInvitation(tenant, tenantId, each);
      const subject = { type: 'Invitation', id: each };
      const event = { actor: principal, action: 'create Invitation', subject, outcome: 'done' as const };
      await auditInTenant(tenant.sql, { ...event, requestId, source, after });
      items.push(after);
    }
    return {
      status: 201,
      body: { items },
      audit: { details: { invitations: ids.length } },
      afterCommit: await begin(),
    };
  },
});

type RowFault = Fault & { row: number | null; shape: boolean };
type Judged = { invitees: Invitee[]; faults: RowFault[] };

/** Rows that are not well formed are told together with what stands against those that are. */
async function judge(sql: Sql, inviter: Inviter, rows: unknown[]): Promise<Judged> {
  const parsed = rows.map((row, at) => ({ at, result: invitee.safeParse(row) }));
  const formed = parsed.flatMap(({ at, result }) => (result.success ? [{ at, invitee: result.data }] : []));
  const found = await faultsOfInvitees(
    sql,
    inviter,
    formed.map((each) => each.invitee),
  );
  const misshapen = parsed.flatMap(({ at, result }) =>
    result.success ? [] : faultsOf(result.error, pointerTo).map((fault) => placed(at, fault, true)),
  );
  const refused = formed.flatMap(({ at }, index) =>
    (found[index] ?? []).map(({ refusal: _, ...fault }) => placed(at, fault, false)),
  );
  const faults = [...misshapen, ...refused].sort((one, other) => Number(one.row) - Number(other.row));
  return { faults, invitees: formed.filter((_, at) => found[at]?.length === 0).map((each) => each.invitee) };
}

function placed(at: number, fault: Fault, shape: boolean): RowFault {
  return { ...fault, pointer: `/invitations/${at}${fault.pointer}`, row: at + 1, shape };
}

function seatFaults(seats: Seats, wanted: number): RowFault[] {
  const detail = seatFault(seats, wanted);
  return detail ? [{ row: null, pointer: '/invitations', code: 'no-seats', detail, shape: false }] : [];
}

const shown = ({ shape: _, ...fault }: RowFault) => fault;

function refuseAny(faults: RowFault[]): void {
  if (faults.length === 0) return;
  throw new Refusal(
    faults.some((fault) => fault.shape) ? 'invalid-request' : 'unprocessable',
    'Nobody was invited, because not everybody can be; each fault is listed.',
    { errors: faults.map(({ pointer, code, detail }) => ({ pointer, code, detail })) },
  );
}
