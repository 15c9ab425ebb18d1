import type { Request } from 'express';
import { z } from 'zod';
import { keyringOf } from '../../models/keyring.ts';
import { readInTenant } from '../../models/scope.ts';
import { eventsAfter, presentEvent, runStanding } from '../../models/tenant/run-event-list.ts';
import { Refusal } from '../../policies/refusal.ts';
import { isRunEnded, type RunState, runStates } from '../../policies/run.ts';
import { EventStream, refuseTooManyStreams } from '../event-stream.ts';
import { readAs } from '../loading.ts';
import { permitted } from '../permitted.ts';
import { askerOf } from '../principal.ts';
import type { Answer, Declared, Permitted, Route } from '../route.ts';
import { id, limit, moment } from '../shapes.ts';
import { parsed } from '../tenant-route.ts';
import { watch } from '../watching.ts';

/**
 * What happens in a run: as a page of JSON, or as server-sent events to whoever accepts `text/event-stream`. Both
 * begin after the event that `?after=` names; a browser that reconnects says it by Last-Event-ID.
 */
const numberMax = 1_000_000_000;
const params = z.strictObject({ runId: id('run') });
const after = z.coerce.number().int().min(0).max(numberMax);
const query = z.strictObject({ after: after.default(0), limit });

const event = z
  .object({
    seq: z.int(),
    at: moment,
    kind: z.string(),
    path: z.string().nullable().meta({ description: 'The step it is about.' }),
    data: z.looseObject({}),
  })
  .meta({ id: 'RunEvent' });

const declared = {
  method: 'get',
  path: '/runs/:runId/events',
  tag: 'Runs',
  summary: 'What happens in a run, live to those who accept text/event-stream',
  permit: ['read', 'Run'],
  params,
  query,
  answers: {
    200: z
      .object({
        items: z.array(event),
        nextAfter: z
          .int()
          .nullable()
          .meta({ description: 'What to ask ?after= next; null when the run is over and all told.' }),
        state: z.enum(runStates),
      })
      .meta({ id: 'RunEvents' }),
    204: null,
  },
} satisfies Declared<typeof params, typeof query, z.ZodObject<Record<never, never>>> & Permitted;

export const runEvents: Route = {
  ...declared,
  scope: 'tenant',
  serve: async (incoming): Promise<Answer> => {
    const asker = await askerOf(incoming);
    const call = await parsed(declared, asker, incoming);
    const { runId } = call.params;
    const load = { load: () => runStanding(asker.token.tenantId, runId) };
    const { known, rows } = await readAs({ ...declared, ...load }, call, asker, incoming);
    const { found } = permitted({ ...declared, ...load }, { rows }, known, incoming);
    const state = String(found.row.state) as RunState; // the column's CHECK allows no other
    const { request, log } = incoming;
    const last = Number(found.row.last_event);
    if (request.accepts(['json', 'text/event-stream']) !== 'text/event-stream')
      return page({ place: asker.place, runId, state, last }, call.query);
    const from = lastEventOf(request) ?? call.query.after;
    // To an EventSource this is the word not to come back.
    if (isRunEnded(state) && from >= last) return { status: 204 };
    refuseTooManyStreams(asker.token.tenantId);
    return {
      status: 200,
      headers: { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' },
      stream: async (response) => {
        if (request.method === 'HEAD') response.end();
        else await watch({ asker, runId, after: from, log }, new EventStream(response, asker.token.tenantId));
      },
    };
  },
};

type Which = { place: Parameters<typeof readInTenant>[0]; runId: string; state: RunState; last: number };

async function page({ place, runId, state, last }: Which, asked: z.output<typeof query>): Promise<Answer> {
  const [rows = []] = await readInTenant(place, [
    eventsAfter(place.tenantId, runId, asked.after, asked.limit),
  ]);
  const keyring = await keyringOf(place);
  const items = rows.map((row) => presentEvent(keyring, runId, row));
  const seen = items.at(-1)?.seq ?? asked.after;
  return { status: 200, body: { items, nextAfter: isRunEnded(state) && seen >= last ? null : seen, state } };
}

function lastEventOf({ headers }: Request): number | undefined {
  const said = headers['last-event-id'];
  if (said === undefined || said === '') return undefined;
  const number = after.safeParse(said);
  if (number.success) return number.data;
  throw new Refusal('invalid-request', 'Last-Event-ID is the id of the last event you had, a number.');
}
