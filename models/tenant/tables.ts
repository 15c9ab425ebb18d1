import { DataTypes, type Sequelize } from 'sequelize';
import type { Environment } from '../../policies/rule.ts';
import type { Stored, Table } from '../stored.ts';

/** One tenant's tables as Sequelize models, named without a schema: the transaction's place decides whose they are. */
export type AgentRow = {
  id: string;
  name: string;
  nameKey: string;
  description: string;
  instructions: string;
  sealedDefinition: Buffer | null;
  latestVersion: number;
  liveVersion: number | null;
  model: string;
  tags: string[];
  environment: Environment;
  ownerId: string | null;
  version: number;
  createdAt: Date;
  updatedAt: Date;
};
type IdentityRow = { id: string; userId: string; kind: 'password'; secret: string };
type InvitationRow = {
  id: string;
  userId: string;
  roles: string[];
  tokenHash: string | null;
  state: 'pending' | 'accepted' | 'expired' | 'revoked';
  expiresAt: Date;
  sentAt: Date | null;
  acceptedAt: Date | null;
};
type SessionRow = { id: string; userId: string; tokenHash: string; source: string | null; expiresAt: Date };
type ApiKeyRow = { id: string; name: string; tokenHash: string; expiresAt: Date | null };
type RoleAssignmentRow = { principalId: string; role: string };

export type TenantTables = {
  Agent: Table<AgentRow>;
  Identity: Table<IdentityRow>;
  Invitation: Table<InvitationRow>;
  Session: Table<SessionRow>;
  ApiKey: Table<ApiKeyRow>;
  RoleAssignment: Table<RoleAssignmentRow>;
};

const { TEXT, INTEGER, DATE, ARRAY, BLOB, NOW } = DataTypes;
/** Fresh objects for each column: Sequelize writes the column's name into the one it is given. */
const text = () => ({ type: TEXT, allowNull: false });
const id = () => ({ type: TEXT, primaryKey: true });
const now = () => ({ type: DATE, allowNull: false, defaultValue: NOW });

const defined = new WeakMap<Sequelize, TenantTables>();

export function tenantTables(db: Sequelize): TenantTables {
  const known = defined.get(db);
  if (known) return known;
  const made: TenantTables = {
    Agent: db.define<Stored<AgentRow>>('agents', {
      id: id(),
      name: text(),
      nameKey: text(),
      description: { ...text(), defaultValue: '' },
      instructions: { ...text(), defaultValue: '' },
      sealedDefinition: BLOB,
      latestVersion: { type: INTEGER, allowNull: false, defaultValue: 0 },
      liveVersion: INTEGER,
      model: text(),
      tags: { type: ARRAY(TEXT), allowNull: false, defaultValue: [] },
      environment: { ...text(), defaultValue: 'production' },
      ownerId: TEXT,
      version: { type: INTEGER, allowNull: false, defaultValue: 1 },
      createdAt: now(),
      updatedAt: now(),
    }),
    Identity: db.define<Stored<IdentityRow>>('identities', {
      id: id(),
      userId: text(),
      kind: text(),
      secret: text(),
    }),
    Invitation: db.define<Stored<InvitationRow>>('invitations', {
      id: id(),
      userId: text(),
      roles: { type: ARRAY(TEXT), allowNull: false, defaultValue: [] },
      tokenHash: TEXT,
      state: text(),
      expiresAt: { type: DATE, allowNull: false },
      sentAt: DATE,
      acceptedAt: DATE,
    }),
    Session: db.define<Stored<SessionRow>>('sessions', {
      id: id(),
      userId: text(),
      tokenHash: text(),
      source: TEXT,
      expiresAt: { type: DATE, allowNull: false },
    }),
    ApiKey: db.define<Stored<ApiKeyRow>>('api_keys', {
      id: id(),
      name: text(),
      tokenHash: text(),
      expiresAt: DATE,
    }),
    RoleAssignment: db.define<Stored<RoleAssignmentRow>>('role_assignments', {
      principalId: { ...text(), primaryKey: true },
      role: { ...text(), primaryKey: true },
    }),
  };
  defined.set(db, made);
  return made;
}
