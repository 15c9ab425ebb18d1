import { LRUCache } from 'lru-cache';

/**
 * What each tenant's plan weighs where tenants take turns, as this process heard of it last: from the directory when it
 * finds a tenant, and from the tenant's own row with every request. Who is not known yet weighs as little as the least.
 */
const weights = new LRUCache<string, number>({ max: 50_000 });
const least = 1;

export function noteWeight(tenantId: string, weight: number): void {
  weights.set(tenantId, weight);
}

export const weightOf = (tenantId: string): number => weights.get(tenantId) ?? least;
