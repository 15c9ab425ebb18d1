/**
 * How long database connections were busy for a tenant, until it goes into the usage journal with the next line there is
 * about that tenant: so a request's share is written down before its answer leaves, and writing usage down makes none.
 */
const busyMs = new Map<string, number>();
let counting = false;

export function countBusyTime(yes: boolean): void {
  counting = yes;
  busyMs.clear();
}

export function addBusyTime(tenantId: string, ms: number): void {
  if (counting) busyMs.set(tenantId, (busyMs.get(tenantId) ?? 0) + ms);
}

/** In seconds. */
export function takeBusyTime(tenantId: string): number {
  const ms = busyMs.get(tenantId) ?? 0;
  busyMs.delete(tenantId);
  return ms / 1_000;
}

export const busyTenants = (): string[] => [...busyMs.keys()];
