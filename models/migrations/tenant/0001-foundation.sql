-- Everything that belongs to one tenant, made inside its own schema. No table has a tenant column: you are inside
-- the tenant or you see nothing. Row-level security and grants are added to every table by models/tenant-schema.ts.
-- Text with CHECK instead of enums: enum equality is not leakproof, so it could not use an index under a policy.
CREATE TABLE tenant (
  id text PRIMARY KEY,
  state text NOT NULL CHECK (state IN ('provisioning', 'active', 'suspended', 'deleting')),
  plan text NOT NULL,
  plan_version integer NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE users (
  id text PRIMARY KEY,
  email text NOT NULL,
  email_key text NOT NULL UNIQUE,
  name text NOT NULL,
  state text NOT NULL CHECK (state IN ('invited', 'active', 'inactive')),
  last_sign_in_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
-- A person can have several ways to sign in; each is a row.
CREATE TABLE identities (
  id text PRIMARY KEY,
  user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
  kind text NOT NULL CHECK (kind IN ('password')),
  secret text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (user_id, kind)
);
CREATE TABLE roles (
  name text PRIMARY KEY,
  title text NOT NULL,
  built_in boolean NOT NULL
);
CREATE TABLE role_assignments (
  principal_id text NOT NULL,
  role text NOT NULL REFERENCES roles,
  PRIMARY KEY (principal_id, role)
);
CREATE TABLE invitations (
  id text PRIMARY KEY,
  user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
  role text NOT NULL REFERENCES roles,
  token_hash text UNIQUE,
  state text NOT NULL CHECK (state IN ('pending', 'accepted', 'revoked')),
  expires_at timestamptz NOT NULL,
  sent_at timestamptz,
  accepted_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX invitations_user ON invitations (user_id);
CREATE TABLE sessions (
  id text PRIMARY KEY,
  user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
  token_hash text NOT NULL UNIQUE,
  source text,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE TABLE api_keys (
  id text PRIMARY KEY,
  name text NOT NULL,
  token_hash text NOT NULL UNIQUE,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE settings (
  key text PRIMARY KEY,
  value jsonb NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE quotas (
  meter text PRIMARY KEY,
  amount bigint NOT NULL CHECK (amount >= 0),
  origin text NOT NULL CHECK (origin IN ('plan', 'tenant'))
);
CREATE TABLE agents (
  id text PRIMARY KEY,
  name text NOT NULL,
  name_key text NOT NULL UNIQUE,
  description text NOT NULL DEFAULT '',
  instructions text NOT NULL DEFAULT '',
  model text NOT NULL,
  tags text[] NOT NULL DEFAULT '{}',
  owner_id text,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE idempotency_keys (
  principal text NOT NULL,
  route text NOT NULL,
  key text NOT NULL,
  body_digest text NOT NULL,
  status integer,
  headers jsonb,
  -- json, not jsonb: a replay repeats the answer as it was, its members in their order.
  body json,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (principal, route, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
CREATE TABLE audit_events (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text NOT NULL UNIQUE,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor jsonb NOT NULL,
  action text NOT NULL,
  subject_type text NOT NULL,
  subject_id text,
  outcome text NOT NULL,
  rule text,
  reason text,
  request_id text,
  operation_id text,
  source text,
  before_digest text,
  after_digest text,
  details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_events_operation ON audit_events (operation_id) WHERE operation_id IS NOT NULL;
