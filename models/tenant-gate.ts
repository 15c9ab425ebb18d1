import type { Sequelize } from 'sequelize';
import { Refusal } from '../policies/refusal.ts';
import { tenantConnections } from './databases.ts';
import { FairGate } from './fair-gate.ts';

/** Who may have one of a login's connections: tenants take turns, and the last two are never those of one alone. */
const gates = new WeakMap<Sequelize, FairGate>();
const waitingMax = 1_000;
const patienceMs = 10_000;

export function tenantGate(db: Sequelize): FairGate {
  const known = gates.get(db);
  if (known) return known;
  const detail = 'Too much of this organisation’s work waits for the database already; try again shortly.';
  const made = new FairGate({
    places: tenantConnections,
    shareOf: () => tenantConnections - 2,
    waitingMax,
    patienceMs,
    refusal: () => new Refusal('unavailable', detail, { retryAfterSeconds: 2 }),
  });
  gates.set(db, made);
  return made;
}
