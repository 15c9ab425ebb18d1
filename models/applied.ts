import { cellPlatform } from './databases.ts';
import { readInSystem } from './scope.ts';
import { processesSql } from './setting-lease.ts';
import { systemTenantId } from './system/tenant.ts';

/** Whether a version of settings is served by every process, and by which it is not yet. */
type Lagging = { id: string; startedAt: string; renewedAt: string };
export type Applied = { appliedEverywhere: boolean; lagging: Lagging[] };
type Found = { id?: unknown; started_at?: unknown; renewed_at?: unknown; applied?: unknown };

export async function appliedInCell(cell: string, transaction: string): Promise<Applied> {
  const { rows } = await cellPlatform(cell).query<Found>(processesSql('platform.processes'), [transaction]);
  return asApplied(rows);
}

export async function appliedOnPlatform(transaction: string): Promise<Applied> {
  const [rows] = await readInSystem(systemTenantId, [
    { text: processesSql('processes'), values: [transaction] },
  ]);
  return asApplied(rows ?? []);
}

const moment = (value: unknown) => (value instanceof Date ? value : new Date(String(value))).toISOString();

function asApplied(processes: Found[]): Applied {
  const lagging = processes
    .filter(({ applied }) => applied !== true)
    .map(({ id, started_at, renewed_at }) => ({
      id: String(id),
      startedAt: moment(started_at),
      renewedAt: moment(renewed_at),
    }));
  return { appliedEverywhere: lagging.length === 0, lagging };
}
