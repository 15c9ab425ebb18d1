-- The shared tables. No personal data of tenants stands here: people live in their tenant's own schema.
CREATE TABLE cells (
  name text PRIMARY KEY,
  region text NOT NULL,
  capacity integer NOT NULL,
  tenants integer NOT NULL DEFAULT 0 CHECK (tenants >= 0)
);

-- A database login is a member of at most 500 tenant roles: the membership list is rebuilt in every session
-- after any CREATE ROLE, and past that it costs milliseconds.
CREATE TABLE logins (
  cell text NOT NULL REFERENCES cells,
  number integer NOT NULL,
  tenants integer NOT NULL DEFAULT 0 CHECK (tenants >= 0),
  PRIMARY KEY (cell, number)
);

CREATE TABLE plans (
  name text NOT NULL,
  version integer NOT NULL,
  terms jsonb NOT NULL,
  PRIMARY KEY (name, version)
);

CREATE TABLE tenants (
  id text PRIMARY KEY,
  slug text NOT NULL,
  name text NOT NULL,
  region text NOT NULL,
  cell text NOT NULL REFERENCES cells,
  login integer NOT NULL,
  plan text NOT NULL,
  plan_version integer NOT NULL,
  state text NOT NULL CHECK (state IN
    ('provisioning', 'active', 'suspended', 'moving', 'restoring', 'deleting', 'deleted', 'failed')),
  state_reason text,
  deletion_due timestamptz,
  tombstone jsonb,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (cell, login) REFERENCES logins (cell, number),
  FOREIGN KEY (plan, plan_version) REFERENCES plans (name, version)
);
CREATE INDEX tenants_state ON tenants (state, id);

-- Every address a tenant has or had. The skeleton folds letters that look alike, so that no two addresses can be
-- taken for each other; an old address leads to its tenant until held_until.
CREATE TABLE slugs (
  slug text PRIMARY KEY,
  skeleton text NOT NULL UNIQUE,
  tenant_id text NOT NULL REFERENCES tenants,
  held_until timestamptz
);
CREATE INDEX slugs_tenant ON slugs (tenant_id);

CREATE TABLE subscriptions (
  tenant_id text PRIMARY KEY REFERENCES tenants,
  plan text NOT NULL,
  plan_version integer NOT NULL,
  state text NOT NULL CHECK (state IN ('active', 'ended')),
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz
);

CREATE TABLE operations (
  id text PRIMARY KEY,
  tenant_id text NOT NULL REFERENCES tenants,
  kind text NOT NULL,
  state text NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled', 'parked')),
  principal jsonb NOT NULL,
  input jsonb NOT NULL DEFAULT '{}',
  steps jsonb NOT NULL DEFAULT '[]',
  percent integer NOT NULL DEFAULT 0,
  result jsonb,
  problem jsonb,
  request_id text,
  checked_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz
);
-- One lifecycle operation per tenant at a time; Temporal's workflow id says the same, this says it before commit.
CREATE UNIQUE INDEX operations_one_running ON operations (tenant_id) WHERE state IN ('running', 'parked');
CREATE INDEX operations_tenant ON operations (tenant_id, id);
CREATE INDEX operations_state ON operations (state, id);

CREATE TABLE audit_events (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text NOT NULL UNIQUE,
  tenant_id text,
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
CREATE INDEX audit_events_tenant ON audit_events (tenant_id, seq);
CREATE INDEX audit_events_operation ON audit_events (operation_id) WHERE operation_id IS NOT NULL;

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

-- Shared tables with a tenant column: seen whole only by a transaction that says it is the platform's.
DO $$
DECLARE shared text;
BEGIN
  FOREACH shared IN ARRAY ARRAY['slugs', 'subscriptions', 'operations', 'audit_events'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', shared);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', shared);
    EXECUTE format($p$CREATE POLICY scope ON %I USING (
      (SELECT current_setting('app.scope', true)) = 'platform'
      OR tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')))$p$, shared);
  END LOOP;
END $$;
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON tenants USING (
  (SELECT current_setting('app.scope', true)) = 'platform'
  OR id = (SELECT nullif(current_setting('app.tenant', true), '')));

GRANT USAGE ON SCHEMA public TO freehold_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON cells, logins, plans, tenants, slugs, subscriptions, operations, idempotency_keys
  TO freehold_system;
GRANT SELECT, INSERT ON audit_events TO freehold_system;
