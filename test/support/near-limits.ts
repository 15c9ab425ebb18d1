import { Webhook } from 'standardwebhooks';
import { closeDatabases } from '../../models/databases.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { settleLimits } from '../../models/tenant/limit-watch.ts';
import { takeReadings } from '../../models/tenant/usage-taking.ts';
import type { Dimensions, MeterName } from '../../policies/meters.ts';
import { closeTemporal } from '../../temporal/client.ts';
import { wakeTold } from '../../temporal/told.ts';
import type { Caller } from './client.ts';
import { type KeyHolder, placed, signedInPerson, useSharedModels } from './people.ts';
import { freshSlug, type Member, member } from './tenants.ts';
import { type Hooks, hookServer, receiverIn, secretOf } from './webhooks.ts';

/** Use that is counted at once, and what people are told of it. */
type Used = Dimensions & { meter: MeterName; value: number };

export async function use(place: Place, ...uses: Used[]): Promise<void> {
  const readings = uses.map((each) => ({
    ...each,
    at: new Date(),
    id: freshSlug('use'),
    source: 'freehold',
  }));
  await inTenant(place, ({ sql }) => takeReadings(sql, readings));
}

type Notified = {
  id: string;
  kind: string;
  title: string;
  text: string;
  data: Record<string, string | number | null> & {
    restrictions?: { restrictionId: string; measure: string }[];
  };
};

/** The newest last. */
export async function notified(as: Caller, query = ''): Promise<Notified[]> {
  const { body } = await as.call<{ items: Notified[] }>('GET', `/v1/notifications?limit=200${query}`);
  return body.items.toReversed();
}

type Event = { type: string; data: Record<string, unknown> };

export type Near = {
  acme: Member;
  admin: KeyHolder;
  billing: KeyHolder;
  viewer: KeyHolder;
  place: Place;
  sql: <T extends object>(text: string, values?: unknown[]) => Promise<T[]>;
  /** Limits and thresholds somebody was told of, oldest first. */
  thresholds: (as: Caller, kind?: string) => Promise<unknown[][]>;
  /** As the meter's schedule does. */
  watched: () => Promise<void>;
  /** What a webhook of the organisation received. */
  hooked: () => Event[];
};

/** For each test of a suite an organisation with small limits, and people of several roles in it. */
export function eachNear(): () => Near {
  let near: Near;
  let hooks: Hooks;
  before(async () => {
    useSharedModels();
    hooks = await hookServer();
  });
  beforeEach(async () => {
    near = await nearLimits(hooks);
  });
  after(async () => {
    hooks.stop();
    await Promise.all([closeTemporal(), closeDatabases()]);
  });
  return () => near;
}

async function nearLimits(hooks: Hooks): Promise<Near> {
  const quotas = { runs: 100, tokens: 10_000, agents: 4, seats: 50 };
  const acme = await member({ quotas, plan: 'free' });
  const place = await placed(acme.tenant.id);
  const [admin, billing, viewer] = await Promise.all([
    signedInPerson(acme.tenant.id, 'admin'),
    signedInPerson(acme.tenant.id, 'billing'),
    signedInPerson(acme.tenant.id, 'viewer'),
  ]);
  const { path } = await receiverIn(place, hooks, { events: ['quota.threshold', 'quota.resolved'] });
  return {
    ...{ acme, admin, billing, viewer, place },
    sql: <T extends object>(text: string, values: unknown[] = []) =>
      inTenant(place, (tenant) => tenant.sql<T>(text, values)),
    thresholds: async (as, kind = 'quota.threshold') =>
      (await notified(as))
        .filter((each) => each.kind === kind)
        .map(({ data }) => [data.quotaId, data.threshold]),
    watched: async () => {
      await inTenant(place, ({ sql }) => settleLimits(sql));
      await wakeTold(place.tenantId);
    },
    hooked: () =>
      hooks.received
        .filter((received) => received.path === path)
        .map(({ body, headers }) => new Webhook(secretOf(1)).verify(body, headers as never) as Event),
  };
}
