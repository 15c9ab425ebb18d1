import type { Config } from '../config.ts';
import { Refusal } from '../policies/refusal.ts';
import { log } from '../telemetry.ts';
import { cellKeys, config } from './databases.ts';
import type { Place } from './scope.ts';
import { type CommittedKey, committedKey } from './secrets.ts';
import { type KeyVersion, keyRows, type Lasting, lastingOf, unwrapped } from './tenant-key.ts';

/**
 * Unwrapped keys in this process's memory, so that an authorised read costs no round trip for them. None is used for
 * longer than `kms.cacheSeconds` after it was last looked up: a key that was rotated, destroyed or taken away is out of
 * use everywhere by then, without anybody having to be told. Those in use are looked up again before that, all of a cell
 * in one query. What cannot be looked up is not used: no key, no data.
 */
export type TenantKeys = { newest: CommittedKey; versions: Map<number, CommittedKey>; lasting: Lasting };

export type Cached = {
  readonly place: Pick<Place, 'tenantId' | 'cell'>;
  /** Throws when they are gone, may not be used, or were not looked up for too long. */
  keys(): TenantKeys;
};

/** What failed is tried again soon, but not by every request anew: a key service may take its time to refuse. */
const failedMs = 1_000;
/** Kept up for those who hold a keyring that long: an activity that waits for a slow answer, for one. */
const heldMs = 15 * 60_000;

class Entry implements Cached {
  readonly place: Pick<Place, 'tenantId' | 'cell'>;
  usedAt = performance.now();
  private lookedUpAt = Number.NEGATIVE_INFINITY;
  private found: KeyVersion[] = [];
  private given: TenantKeys | Error | undefined;
  private turns = 0;
  private taken = 0;
  loading: Promise<void> | undefined;

  constructor(place: Pick<Place, 'tenantId' | 'cell'>) {
    this.place = place;
  }

  get fresh(): boolean {
    const ms = this.given instanceof Error ? failedMs : config().kms.cacheSeconds * 1000;
    return performance.now() - this.lookedUpAt <= ms && this.given !== undefined;
  }

  keys(): TenantKeys {
    this.usedAt = performance.now();
    if (this.given instanceof Error) throw this.given;
    if (!this.fresh || !this.given)
      throw new Refusal(
        'unavailable',
        'The key of this organisation cannot be looked up right now; try again.',
        {
          retryAfterSeconds: 5,
        },
      );
    return this.given;
  }

  /** A version whose row is as it was is not unwrapped again, unless the tenant may have taken its own key away. */
  async take(rows: KeyVersion['row'][], lookedUpAt: number): Promise<void> {
    const turn = ++this.turns;
    let found: KeyVersion[] = [];
    let given: TenantKeys | Error;
    let since = lookedUpAt;
    try {
      found = await Promise.all(rows.map((row) => this.same(row) ?? unwrapped(row)));
      given = keysOf(found);
    } catch (cause) {
      given = cause instanceof Error ? cause : new Error(String(cause));
      since = performance.now();
    }
    // A later look-up was quicker, and knows better.
    if (turn < this.taken) return;
    [this.found, this.given, this.lookedUpAt, this.taken] = [found, given, since, turn];
  }

  private same(row: KeyVersion['row']): KeyVersion | undefined {
    if (row.customer_arn !== null) return undefined;
    const same = this.found.find(
      (each) => each.version === row.version && each.row.wrapped.equals(row.wrapped),
    );
    return same && { ...same, row };
  }
}

/** The tenant was deleted, or is not made yet. */
export class KeyGone extends Refusal {
  constructor() {
    super('conflict', 'The key of this tenant is gone; what it sealed cannot be opened.');
  }
}

/** A version that others may not know yet opens and does not seal: what they cannot open would be an error to them. */
function keysOf(found: KeyVersion[]): TenantKeys {
  const newest = found.findLast(({ row }) => row.known) ?? found[0];
  if (!newest) throw new KeyGone();
  const versions = new Map(found.map(({ key, version }) => [version, committedKey(key, version)]));
  return { newest: committedKey(newest.key, newest.version), versions, lasting: lastingOf(newest) };
}

let entries = new Map<string, Entry>();
let belongsTo: Config | undefined;
let tidying: NodeJS.Timeout | undefined;

function entriesNow(): Map<string, Entry> {
  if (belongsTo === config()) return entries;
  // Another configuration has other databases; only tests change it.
  entries = new Map();
  belongsTo = config();
  clearInterval(tidying);
  tidying = setInterval(keepUp, (config().kms.cacheSeconds * 1000) / 3).unref();
  return entries;
}

export async function cachedKeys(place: Place): Promise<Cached> {
  const known = entriesNow().get(place.tenantId);
  if (known?.fresh) return known;
  const entry = known ?? new Entry({ tenantId: place.tenantId, cell: place.cell });
  entries.set(place.tenantId, entry);
  entry.loading ??= lookUp(place.cell, [entry]).finally(() => {
    entry.loading = undefined;
  });
  await entry.loading;
  return entry;
}

/** Of this process, at once; every other one follows within the time stated above. */
export function forgetKeys(tenantId: string): void {
  entriesNow().delete(tenantId);
}

/** No entry waits for another one: a tenant whose own key service hangs is waited for by nobody else. */
async function lookUp(cell: string, asked: Entry[]): Promise<void> {
  const client = await cellKeys(cell).connect();
  // What is found is as of now, not of when a connection was asked for.
  const at = performance.now();
  const ids = asked.map(({ place }) => place.tenantId);
  let rows: Awaited<ReturnType<typeof keyRows>>;
  try {
    rows = await keyRows(cell, ids, client);
  } catch (cause) {
    client.release(true);
    throw cause;
  }
  client.release();
  await Promise.all(asked.map((entry) => entry.take(rows.get(entry.place.tenantId) ?? [], at)));
}

function keepUp(): void {
  const now = performance.now();
  for (const [tenantId, entry] of entries) if (now - entry.usedAt > heldMs) entries.delete(tenantId);
  const idle = [...entries.values()].filter((entry) => !entry.loading);
  for (const [cell, asked] of Map.groupBy(idle, ({ place }) => place.cell)) {
    void lookUp(cell, asked).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      log.warn({ cell, error: message }, 'the keys in use could not be looked up again');
    });
  }
}
