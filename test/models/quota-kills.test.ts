import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../config.ts';
import { useConfig } from '../../models/databases.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { expireReservations } from '../../models/tenant/quota-ledger.ts';
import { asked } from '../support/catalogue.ts';
import { handed, ownSettings, type Settings } from '../support/environment.ts';
import { holdMany, limitedTenant, standing } from '../support/limited.ts';

const limit = 300;
const idsOf = (who: string, count: number) => Array.from({ length: count }, (_, at) => `${who}-${at}`);

describe('500 holders of one limit, some of whom die', () => {
  let settings: Settings;
  let place: Place;
  const children: ChildProcess[] = [];

  before(async () => {
    settings = await ownSettings(handed(), 'none');
    useConfig(loadConfig(settings));
    place = await limitedTenant([{ id: 'q', meter: 'runs', amount: limit }]);
  });
  after(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  const holder = () => {
    const file = fileURLToPath(new URL('../support/holder.ts', import.meta.url));
    const child = fork(file, { env: { ...process.env, ...settings } });
    children.push(child);
    return child;
  };

  /** Connections of all three processes, one of them every now and then; not for ever, or nobody would get on. */
  const killConnections = async (until: AbortSignal) => {
    for (let kill = 0; kill < 40 && !until.aborted; kill++) {
      await asked(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
         AND application_name IN ('freehold-ledger', 'freehold') AND usename LIKE 'fh_%' ORDER BY random() LIMIT 1`,
      );
      await pause(100);
    }
  };

  const watch = async (until: AbortSignal) => {
    while (!until.aborted) {
      const [now] = await standing(place, 'q').catch(() => []);
      assert.ok(!now || now.used + now.reserved <= limit, JSON.stringify(now));
      await pause(20);
    }
  };

  it('R5.2 get exactly what the limit is, and never one more', async function () {
    this.timeout(240_000);
    const [doomed, other] = [holder(), holder()];
    const over = new AbortController();
    const around = Promise.all([killConnections(over.signal), watch(over.signal)]);
    doomed.send({ place, ids: idsOf('doomed', 150) });
    const theirs = answerOf(other);
    other.send({ place, ids: idsOf('other', 150) });
    await once(doomed, 'message');
    const mine = holdMany(place, idsOf('mine', 200), () => {});
    doomed.kill('SIGKILL');
    const granted = [...(await mine), ...(await theirs)];
    over.abort();
    await around;
    const more = await holdMany(place, idsOf('more', limit), () => {});
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 0, reserved: limit }]);
    const held = await heldIds();
    assert.equal(held.length, limit);
    for (const id of [...granted, ...more]) assert.ok(held.includes(id), `${id} was granted and is not held`);
  });

  it('R5.2 give back all of it when they are dead', async () => {
    await inTenant(place, ({ sql }) =>
      sql("UPDATE quota_reservations SET expires_at = now() - interval '1 s'"),
    );
    assert.equal(await inTenant(place, ({ sql }) => expireReservations(sql)), limit);
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 0, reserved: 0 }]);
  });

  async function heldIds(): Promise<string[]> {
    const rows = await inTenant(place, ({ sql }) =>
      sql<{ id: string }>("SELECT id FROM quota_reservations WHERE state = 'held'"),
    );
    return rows.map(({ id }) => id);
  }
});

/** Listens from now on: what is told in one go comes as several messages, and none of them may be missed. */
function answerOf(child: ChildProcess): Promise<string[]> {
  return new Promise((resolve) => {
    child.on('message', (told: string | { granted: string[] }) => {
      if (typeof told === 'object') resolve(told.granted);
    });
  });
}
