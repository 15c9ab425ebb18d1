import { setTimeout as pause } from 'node:timers/promises';
import type { Row, Statement } from '../models/batch.ts';
import { keyringOf } from '../models/keyring.ts';
import { watchRun } from '../models/run-event-feed.ts';
import { readInTenant } from '../models/scope.ts';
import { eventsAfter, presentEvent, runStanding } from '../models/tenant/run-event-list.ts';
import { authorize } from '../policies/authorize.ts';
import { Refusal } from '../policies/refusal.ts';
import { isRunEnded, type RunState } from '../policies/run.ts';
import type { End, EventStream } from './event-stream.ts';
import { type Asker, credentialStatement, goneIsInvalid, type Known, stillKnown } from './principal.ts';
import { describe } from './serve.ts';

/**
 * Somebody watches a run. Each look at it asks anew, in the very transaction that reads the events, whether the
 * credential is good and its holder may still read this run: nothing is ever sent by a right that has been taken away,
 * and a stream on which nothing happens ends within `lookMs` of it.
 */
const lookMs = 5_000;
const batchMax = 50;
const patienceMs = 30_000;

export type Watch = {
  asker: Asker;
  runId: string;
  after: number;
  log: { warn: (about: object, what: string) => void };
};

/** Anything else than a Refusal that says 503 is told by `look` itself. */
export async function watch(watching: Watch, stream: EventStream): Promise<void> {
  const { asker, runId } = watching;
  const unwatch = watchRun({ ...asker.place, runId }, stream.wake);
  let { after } = watching;
  let patience = Date.now() + patienceMs;
  try {
    while (!stream.ending) {
      const seen = await look(watching, after).catch((error: unknown) => error);
      if (seen instanceof Error) {
        const end = endBy(seen, patience, watching);
        if (end) stream.leave(end);
        else await pause(1_000);
        continue;
      }
      patience = Date.now() + patienceMs;
      const { events, end } = seen as Look;
      for (const event of events) {
        if (stream.ending) break;
        await stream.send(event.seq, String(event.kind), event);
        after = event.seq;
      }
      if (end) stream.leave(end);
      else if (events.length < batchMax) {
        if (events.length === 0) await stream.beat();
        await stream.rest(lookMs);
      }
    }
  } finally {
    unwatch();
    await stream.close(
      stream.ending ?? { reason: 'failed', detail: 'Something went wrong; come back with Last-Event-ID.' },
    );
  }
}

type Look = { events: ReturnType<typeof presentEvent>[]; end?: End };

const accessEnded = {
  reason: 'access-ended',
  detail: 'Your credential, or your right to read this run, has ended.',
};

async function look({ asker, runId }: Watch, after: number): Promise<Look> {
  const { place, token } = asker;
  const ask = (statements: Statement[]) => readInTenant(place, statements).catch(goneIsInvalid);
  const [who = [], standing = [], rows = []] = await ask([
    credentialStatement(asker),
    runStanding(token.tenantId, runId),
    eventsAfter(token.tenantId, runId, after, batchMax),
  ]);
  const known = await stillKnown(asker, who[0], async (one) => (await ask([one]))[0] ?? []);
  const [run] = standing;
  if (!known || !run || !mayRead(known, run)) return { events: [], end: accessEnded };
  const keyring = rows.length > 0 ? await keyringOf(place) : undefined;
  const events = keyring ? rows.map((row) => presentEvent(keyring, runId, row)) : [];
  const last = events.at(-1)?.seq ?? after;
  const over = isRunEnded(String(run.state) as RunState) && last >= Number(run.last_event);
  return over
    ? { events, end: { reason: 'run-ended', detail: 'The run has ended.', state: run.state } }
    : { events };
}

function mayRead({ rights, ids }: Known, run: Row): boolean {
  return authorize(rights, 'read', { type: 'Run', object: run, ids }).allowed;
}

/** A database that is away may come back; whatever else cannot be read now will not be read later either. */
function endBy(error: Error, patience: number, { log }: Watch): End | undefined {
  const code = error instanceof Refusal ? error.code : undefined;
  if (code === 'unauthenticated') return accessEnded;
  if (code === 'unavailable' && Date.now() < patience) return undefined;
  log.warn({ error: describe(error) }, 'a stream of events was given up');
  const detail =
    error instanceof Refusal ? error.message : 'Something went wrong; come back with Last-Event-ID.';
  return { reason: code ?? 'failed', detail };
}
