import { DataTypes, type Sequelize } from 'sequelize';
import type { TenantState } from '../../policies/lifecycle.ts';
import type { OperationKind, OperationState, StepRecord } from '../../policies/operation.ts';
import type { Principal } from '../../policies/principal.ts';
import type { Stored, Table } from '../stored.ts';

/** The shared tables as Sequelize models; the truth about columns and constraints is in migrations/system. */
export type TenantRow = {
  id: string;
  slug: string;
  name: string;
  region: string;
  cell: string;
  login: number;
  plan: string;
  planVersion: number;
  state: TenantState;
  stateReason: string | null;
  deletionDue: Date | null;
  tombstone: object | null;
  version: number;
  createdAt: Date;
  updatedAt: Date;
};

type OperationRow = {
  id: string;
  tenantId: string;
  kind: OperationKind;
  state: OperationState;
  principal: Principal;
  input: Record<string, unknown>;
  steps: StepRecord[];
  percent: number;
  result: object | null;
  problem: object | null;
  requestId: string | null;
  checkedAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
  endedAt: Date | null;
};

type SlugRow = { slug: string; skeleton: string; tenantId: string; heldUntil: Date | null };
type SubscriptionRow = {
  tenantId: string;
  plan: string;
  planVersion: number;
  state: 'active' | 'ended';
  startedAt: Date;
  endedAt: Date | null;
};

export type SystemTables = {
  Tenant: Table<TenantRow>;
  Operation: Table<OperationRow>;
  Slug: Table<SlugRow>;
  Subscription: Table<SubscriptionRow>;
};

const { TEXT, INTEGER, DATE, JSONB, NOW } = DataTypes;
/** Fresh objects for each column: Sequelize writes the column's name into the one it is given. */
const text = () => ({ type: TEXT, allowNull: false });
const whole = () => ({ type: INTEGER, allowNull: false });
const moment = () => ({ type: DATE });
const now = () => ({ type: DATE, allowNull: false, defaultValue: NOW });
const json = () => ({ type: JSONB });

const defined = new WeakMap<Sequelize, SystemTables>();

export function systemTables(db: Sequelize): SystemTables {
  const known = defined.get(db);
  if (known) return known;
  const made: SystemTables = {
    Tenant: db.define<Stored<TenantRow>>('tenants', {
      id: { ...text(), primaryKey: true },
      slug: text(),
      name: text(),
      region: text(),
      cell: text(),
      login: whole(),
      plan: text(),
      planVersion: whole(),
      state: text(),
      stateReason: TEXT,
      deletionDue: moment(),
      tombstone: json(),
      version: { ...whole(), defaultValue: 1 },
      createdAt: now(),
      updatedAt: now(),
    }),
    Operation: db.define<Stored<OperationRow>>('operations', {
      id: { ...text(), primaryKey: true },
      tenantId: text(),
      kind: text(),
      state: text(),
      principal: json(),
      input: { ...json(), defaultValue: {} },
      steps: { ...json(), defaultValue: [] },
      percent: { ...whole(), defaultValue: 0 },
      result: json(),
      problem: json(),
      requestId: TEXT,
      checkedAt: moment(),
      createdAt: now(),
      updatedAt: now(),
      endedAt: moment(),
    }),
    Slug: db.define<Stored<SlugRow>>('slugs', {
      slug: { ...text(), primaryKey: true },
      skeleton: text(),
      tenantId: text(),
      heldUntil: moment(),
    }),
    Subscription: db.define<Stored<SubscriptionRow>>('subscriptions', {
      tenantId: { ...text(), primaryKey: true },
      plan: text(),
      planVersion: whole(),
      state: text(),
      startedAt: now(),
      endedAt: moment(),
    }),
  };
  defined.set(db, made);
  return made;
}
