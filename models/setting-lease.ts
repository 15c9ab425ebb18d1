import { LRUCache } from 'lru-cache';
import type { Client } from 'pg';
import { log } from '../telemetry.ts';
import { openListener, openness, platformLogin, systemLogin } from './databases.ts';
import { newId } from './ids.ts';

/**
 * What lets a process keep settings in memory without ever serving stale ones. It listens for changes, one connection
 * for each database; on each it forgets everything it kept, and writes down which transactions it has followed. It
 * believes what it keeps only for a lease that is renewed over that same connection, so a process that hears nothing
 * any more reads anew, every time. Whoever asks whether a version is applied everywhere reads what was written down;
 * a process that has not renewed its lease for longer than one lasts keeps nothing, and is not waited for.
 */
export const processId = newId('prc');
export const leaseMs = 5_000;
const renewMs = 1_000;
const reconnectMs = 500;
const keptMax = 10_000;
const channel = 'settings';
/** Of a process's row: the lease is not over by the server's clock, with room for an answer under way. */
const alive = `renewed_at > clock_timestamp() - interval '${leaseMs + 1_000} milliseconds'`;

/** The statement by which a change is announced, in the transaction of the change. */
export const announcement = `SELECT pg_notify('${channel}', '')`;

type Lease = {
  /** What is kept under this key, or what `read` answers; kept unless something changed while it was read. */
  keep<T extends object>(key: string, read: () => Promise<T>): Promise<T>;
};

const leases = new Map<string, Lease>();

export const leaseOnSystem = (): Lease => leaseOn(systemLogin(), 'processes');
export const leaseOnCell = (cell: string): Lease => leaseOn(platformLogin(cell), 'platform.processes');

/** Begun when first asked for: until it listens, and where it cannot, everything is read anew. */
function leaseOn(url: string, table: string): Lease {
  const name = `${openness()} ${url}`;
  const known = leases.get(name);
  if (known) return known;
  const lease = new Following(url, table);
  leases.set(name, lease);
  void lease.follow().then(() => leases.delete(name));
  return lease;
}

class Following implements Lease {
  private readonly url: string;
  private readonly table: string;
  private readonly kept = new LRUCache<string, object>({ max: keptMax });
  private epoch = 0;
  private goodUntil = 0;

  constructor(url: string, table: string) {
    this.url = url;
    this.table = table;
  }

  async keep<T extends object>(key: string, read: () => Promise<T>): Promise<T> {
    const { epoch } = this;
    // Asked last: after the look into the memory no time passes before it is answered.
    const kept = this.kept.get(key);
    // Kept under this key by this very method, whose callers read one kind of thing under one kind of key.
    if (kept && performance.now() < this.goodUntil) return kept as T;
    const fresh = await read();
    if (epoch === this.epoch) this.kept.set(key, fresh);
    return fresh;
  }

  /** A connection that ends is followed by another, until all are closed on purpose. */
  async follow(): Promise<void> {
    const begun = openness();
    while (openness() === begun) {
      try {
        await this.listen(await openListener(this.url));
      } catch (error) {
        log.warn({ error: String(error), table: this.table }, 'changes of settings cannot be followed now');
      }
      this.forget();
      this.goodUntil = 0;
      await pause(reconnectMs);
    }
  }

  /** Resolves when the connection is no more. */
  private async listen(client: Client): Promise<void> {
    let changed = true;
    let woken = Promise.withResolvers<void>();
    let over = false;
    client.on('notification', () => {
      changed = true;
      woken.resolve();
    });
    client.once('end', () => {
      over = true;
      woken.resolve();
    });
    try {
      await client.query(`LISTEN ${channel}`);
      while (!over) {
        const sentAt = performance.now();
        if (changed) {
          changed = false;
          await this.acknowledge(client);
        } else await this.renew(client);
        this.goodUntil = sentAt + leaseMs;
        await Promise.race([woken.promise, pause(renewMs)]);
        woken = Promise.withResolvers();
        if (changed || over) woken.resolve();
      }
    } finally {
      await client.end();
    }
  }

  /** First what there is by now, then everything older is forgotten, then that is written down: never before. */
  private async acknowledge(client: Client): Promise<void> {
    const { rows } = await client.query<{ seen: string }>('SELECT pg_current_snapshot()::text AS seen');
    this.forget();
    await client.query(
      `INSERT INTO ${this.table} (id, followed) VALUES ($1, $2::pg_snapshot)
       ON CONFLICT (id) DO UPDATE SET followed = excluded.followed, renewed_at = clock_timestamp()`,
      [processId, rows[0]?.seen],
    );
    await client.query(`DELETE FROM ${this.table} WHERE renewed_at < now() - interval '1 hour'`);
  }

  private async renew(client: Client): Promise<void> {
    const { rowCount } = await client.query(
      `UPDATE ${this.table} SET renewed_at = clock_timestamp() WHERE id = $1 AND ${alive}`,
      [processId],
    );
    // Taken for dead: whoever asked meanwhile did not wait for this one, which may not have heard of the change yet.
    if (rowCount === 0) await this.acknowledge(client);
  }

  private forget(): void {
    this.epoch += 1;
    this.kept.clear();
  }
}

/** Does not keep a process alive that has nothing else to do. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/**
 * Which processes that may keep settings in memory there are ($1 is the transaction of a version), and whether each
 * serves nothing older. The lease is counted from before it was asked for, so one that is over here is over there.
 */
export const processesSql = (table: 'processes' | 'platform.processes'): string =>
  `SELECT id, started_at, renewed_at, pg_visible_in_snapshot($1::xid8, followed) AS applied
   FROM ${table} WHERE ${alive} ORDER BY id`;
