import type { Place } from '../scope.ts';

/**
 * Somebody in a tenant was told something: it has to be sent, which is nothing a model does. Who can (temporal/told.ts) says
 * so when the process starts. By then the transaction that told it is committed, as a rule; where it is not, or where
 * nobody can, the meter's schedule finds what is to be sent.
 */
const soonMs = 500;

let send: ((tenantId: string) => Promise<void>) | undefined;
const waiting = new Set<string>();

export function whenTold(act: (tenantId: string) => Promise<void>): void {
  send = act;
}

export function toldSoon({ tenantId }: Place): void {
  if (!send || waiting.has(tenantId)) return;
  waiting.add(tenantId);
  setTimeout(() => {
    waiting.delete(tenantId);
    void send?.(tenantId);
  }, soonMs).unref();
}
