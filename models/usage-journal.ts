import { readingsIn, type Used, written } from '../policies/usage-journal.ts';
import { journalDropped, log } from '../telemetry.ts';
import { busyTenants, countBusyTime, takeBusyTime } from './busy-time.ts';
import { inTenant, type Place, roleIsGone } from './scope.ts';
import { placeOf, systemTenantId } from './system/tenant.ts';
import type { Reading } from './tenant/usage.ts';
import { takeReadings } from './tenant/usage-taking.ts';
import {
  abandonedFolders,
  bytesIn,
  contentOf,
  type Folder,
  filesIn,
  leaveFolder,
  makeFolder,
  type Pen,
  penFor,
  removeFile,
} from './usage-journal-folder.ts';

/**
 * What is used too often for a transaction each: a line in a file before the answer leaves, and moments later a reading
 * in the tenant's own meter. A file goes when all tenants in it have it; until then it is offered again, and taken once,
 * for its readings have ids of the file's (policies/usage-journal.ts). Files of a process that died are taken by another.
 */
const everyMs = 1_000;
/** What could not be delivered, and what others left, is looked at once in so many rounds. */
const lookEvery = 10;
const tenantsAtOnce = 4;
const batchReadings = 1_000;
/** Some five million acts. They pile up only while a tenant's database is away and its requests are answered elsewhere. */
const bytesMaxDefault = 1024 * 1024 * 1024;

type Open = {
  directory: string;
  bytesMax: number;
  folder: Folder;
  pen: Pen;
  timer: NodeJS.Timeout;
  /** Closed files that are still to be delivered, and those that could not be. */
  fresh: string[];
  left: string[];
  /** How many more bytes the directory may hold, as of the last look. */
  spare: number;
  dropped: number;
  round: number;
  pass: Promise<void> | undefined;
};
let open: Open | undefined;

export function openJournal(directory: string, bytesMax = bytesMaxDefault): void {
  const folder = makeFolder(directory);
  const timer = setInterval(() => void goRound(), everyMs).unref();
  countBusyTime(true);
  open = {
    ...{ directory, bytesMax, folder, timer, pen: penFor(folder) },
    ...{ fresh: [], left: [], spare: bytesMax, dropped: 0, round: 0, pass: undefined },
  };
}

/** What is left then, a later process takes. */
export async function closeJournal(): Promise<void> {
  if (!open) return;
  clearInterval(open.timer);
  for (const tenantId of busyTenants()) noteUsed(tenantId, []);
  await open.pass;
  await goRound();
  leaveFolder(open.folder);
  open = undefined;
  countBusyTime(false);
}

/** Before the answer to what used it leaves, so that nothing that was answered is ever forgotten. */
export function noteUsed(tenantId: string, used: Used[]): void {
  // What operators do is nobody's use.
  if (!open || tenantId === systemTenantId) return;
  const seconds = takeBusyTime(tenantId);
  const whole: Used[] = seconds > 0 ? [...used, { meter: 'compute.database-seconds', value: seconds }] : used;
  if (whole.length === 0) return;
  const line = written({ tenantId, at: Date.now(), used: whole });
  open.spare -= line.length;
  if (open.spare < 0) {
    drop(open);
    return;
  }
  try {
    open.pen.write(line);
  } catch (error) {
    // The act goes on: it is worse to refuse everything than to miss some of the use, and to say so.
    closeFile(open);
    drop(open, error);
  }
}

function drop(to: Open, error?: unknown): void {
  to.dropped += 1;
  journalDropped.inc();
  if (to.dropped > 1) return;
  const { directory, bytesMax } = to;
  log.error(
    { directory, bytesMax, ...(error !== undefined && { error: String(error) }) },
    'usage is not written down any more: the usage journal is full or cannot be written',
  );
}

function closeFile(of: Open): void {
  const name = of.pen.close();
  if (name) of.fresh.push(name);
}

/** One at a time; what comes meanwhile goes with the next. */
export async function goRound(): Promise<void> {
  if (!open || open.pass) return open?.pass;
  const now = open;
  now.pass = round(now).catch((error: unknown) => {
    log.error({ error: String(error) }, 'the usage journal could not be worked through');
  });
  await now.pass;
  now.pass = undefined;
}

async function round(now: Open): Promise<void> {
  closeFile(now);
  const looks = now.round++ % lookEvery === 0;
  const names = [...now.fresh.splice(0), ...(looks ? now.left.splice(0) : [])];
  const delivered = await deliver(now.folder, names);
  now.left.push(...names.filter((name) => !delivered.has(name)));
  if (looks) await look(now);
}

async function look(now: Open): Promise<void> {
  const { directory, folder, bytesMax } = now;
  for (const abandoned of abandonedFolders(directory, folder.id)) {
    try {
      await deliver(abandoned, filesIn(abandoned));
    } finally {
      leaveFolder(abandoned);
    }
  }
  now.spare = bytesMax - bytesIn(directory);
  if (now.dropped > 0) log.error({ directory, dropped: now.dropped }, 'usage was not written down');
  now.dropped = 0;
}

/** Answers which files every tenant in them has; those are gone. */
async function deliver(folder: Folder, names: string[]): Promise<Set<string>> {
  const waiting = new Map<string, { name: string; readings: Reading[] }[]>();
  const undelivered = new Set<string>();
  for (const name of names) {
    const content = await contentOf(folder, name);
    if (content === undefined) undelivered.add(name);
    const { readings, unreadable } = readingsIn(`${folder.id}/${name}`, content ?? '');
    if (unreadable > 0) log.error({ folder: folder.id, name, unreadable }, 'usage could not be read');
    for (const [tenantId, each] of readings)
      waiting.set(tenantId, [...(waiting.get(tenantId) ?? []), { name, readings: each }]);
  }
  const tenants = [...waiting];
  const inTurn = async () => {
    for (let next = tenants.pop(); next; next = tenants.pop()) {
      const [tenantId, files] = next;
      const taken = await give(
        tenantId,
        files.flatMap(({ readings }) => readings),
      );
      if (!taken) for (const { name } of files) undelivered.add(name);
    }
  };
  await Promise.all(Array.from({ length: tenantsAtOnce }, inTurn));
  const delivered = names.filter((name) => !undelivered.has(name));
  return new Set(delivered.filter((name) => removed(folder, name)));
}

/** One that cannot be removed is offered again, and taken for what it is. */
function removed(folder: Folder, name: string): boolean {
  try {
    removeFile(folder, name);
    return true;
  } catch (error) {
    log.error({ folder: folder.id, name, error: String(error) }, 'a file of usage could not be removed');
    return false;
  }
}

async function give(tenantId: string, readings: Reading[]): Promise<boolean> {
  let place: Place | undefined;
  try {
    place = await placeOf(tenantId);
    // Of a tenant that is gone nobody asks any more what it used.
    for (let from = 0; place && from < readings.length; from += batchReadings)
      await inTenant(place, ({ sql }) => takeReadings(sql, readings.slice(from, from + batchReadings)));
    return true;
  } catch (error) {
    if (place && roleIsGone(error)) return true;
    log.warn({ tenantId, error: String(error) }, 'the usage journal could not be taken into the meter yet');
    return false;
  }
}
