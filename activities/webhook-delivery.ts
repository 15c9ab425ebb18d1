import { inTenant, type Place } from '../models/scope.ts';
import { type Due, dueDeliveries, nextDue, noteAttempt, postpone } from '../models/tenant/webhook.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';
import { webhookAnswerMs } from '../policies/webhook.ts';
import { activity, placeFor } from './activity.ts';
import { among, EgressFailure } from './egress/failure.ts';
import { BreakerOpen, openForMs, throughBreaker } from './integration/breaker.ts';
import { isKind } from './integration/connection.ts';
import { insistUsable, openIntegration } from './integration/opened.ts';
import { sendWebhook } from './integration/webhook.ts';

/**
 * Sends what is due of one tenant's webhooks, each integration's one after the other and several integrations at once, and
 * says when the next is due. A delivery whose note was lost is sent again, under the same id.
 */
export type Delivering = { of: string };
const atOnceMax = 50;
const limits = { totalMs: webhookAnswerMs, idleMs: webhookAnswerMs, responseBytesMax: 64 * 1024 };
const sender: Principal = { kind: 'system', id: 'system:integrations' };
/** So that a round ends within what an activity has. */
const roundMs = 20_000;

export const deliverDue = activity(
  ['update', 'Integration'],
  async ({ of }: Delivering): Promise<{ dueInMs: number | null }> => {
    const place = await placeFor(of);
    if (!(await isActive(place))) return { dueInMs: null };
    const due = await inTenant(place, ({ sql }) => dueDeliveries(sql, atOnceMax));
    const until = Date.now() + roundMs;
    const lanes = Map.groupBy(due, (each) => each.integration_id).values();
    await Promise.all([...lanes].map((lane) => inOrder(place, lane, until)));
    const next = await inTenant(place, ({ sql }) => nextDue(sql));
    return { dueInMs: next && Math.max(0, next.getTime() - Date.now()) };
  },
);

async function inOrder(place: Place, lane: Due[], until: number): Promise<void> {
  for (const each of lane) {
    if (Date.now() > until) return;
    await deliver(place, each);
  }
}

async function deliver(place: Place, due: Due): Promise<void> {
  const { id, attempts } = due;
  try {
    const status = await attempt(place, due);
    const delivered = status >= 200 && status < 300;
    // 410 Gone: the receiver wants no more of these.
    await noted(place, { id, attempts, outcome: String(status), delivered, final: status === 410 });
  } catch (thrown) {
    if (thrown instanceof BreakerOpen)
      return inTenant(place, ({ sql }) => postpone(sql, id, openForMs / 1000)).then(() => {});
    const failure = among(thrown, (cause) => cause instanceof EgressFailure);
    if (!failure && !(thrown instanceof Refusal)) throw thrown;
    await noted(place, { id, attempts, outcome: failure ? wordOf(failure) : 'refused', delivered: false });
  }
}

const wordOf = ({ code, stage }: EgressFailure) => /^HTTP_(\d{3})$/.exec(code)?.[1] ?? stage;

const noted = (place: Place, result: Parameters<typeof noteAttempt>[1]) =>
  inTenant(place, ({ sql }) => noteAttempt(sql, result));

async function attempt(place: Place, { id, integration_id, payload }: Due): Promise<number> {
  const { integration, connection } = await openIntegration(place, integration_id, { actor: sender, limits });
  insistUsable(integration);
  if (!isKind(connection, 'webhook')) throw new Refusal('conflict', 'This integration is no webhook.');
  return throughBreaker(place, integration_id, async () => {
    const status = await sendWebhook(connection, { id, payload });
    if (status >= 500 || status === 429)
      throw new EgressFailure('answer', Object.assign(new Error('not taken'), { code: `HTTP_${status}` }));
    return status;
  });
}

/** A suspended tenant tells nobody anything; the watch goes on with it when it is back. */
async function isActive(place: Place): Promise<boolean> {
  const [row] = await inTenant(place, ({ sql }) => sql<{ state: string }>('SELECT state FROM tenant'));
  return row?.state === 'active';
}
