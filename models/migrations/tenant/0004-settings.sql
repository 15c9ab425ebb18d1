-- The settings book of one tenant: each row is what one level (the tenant, or one of its agents) says from then on,
-- whole. The newest row of a level holds; nothing is ever changed, so that every version can be read and gone back to.
CREATE TABLE setting_versions (
  number integer PRIMARY KEY CHECK (number > 0),
  -- No reference: what was set for an agent stays readable when the agent is gone.
  agent_id text,
  document jsonb NOT NULL,
  -- The keys marked sensitive, under the tenant's key.
  sealed_document bytea,
  -- Compliance packs that hold from this version on; of the tenant's own level only.
  packs text[] NOT NULL DEFAULT '{}',
  author jsonb NOT NULL,
  reason text NOT NULL,
  cause text NOT NULL CHECK (cause IN ('start', 'change', 'rollback', 'schedule', 'pack')),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- By which a process can tell whether it has seen this version: whether its snapshot shows the transaction.
  transaction xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX setting_versions_level ON setting_versions ((coalesce(agent_id, '')), number DESC);
-- Changes that shall come into force at a time.
CREATE TABLE scheduled_settings (
  id text PRIMARY KEY,
  operation_id text NOT NULL,
  agent_id text,
  changes jsonb NOT NULL,
  sealed_changes bytea,
  author jsonb NOT NULL,
  reason text NOT NULL,
  due_at timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'applied', 'refused', 'called-off')),
  outcome text,
  version integer,
  created_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz
);
-- What must not be deleted, whatever else says so. No class: all of it; no subject: of everybody.
CREATE TABLE legal_holds (
  id text PRIMARY KEY,
  class text,
  subject_id text,
  reason text NOT NULL,
  created_by jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  released_at timestamptz,
  released_by jsonb,
  release_reason text
);
CREATE TABLE deletion_receipts (
  id text PRIMARY KEY,
  class text NOT NULL,
  source text NOT NULL,
  rule text NOT NULL,
  count integer NOT NULL CHECK (count > 0),
  first_at timestamptz NOT NULL,
  last_at timestamptz NOT NULL,
  digest text NOT NULL,
  deleted_at timestamptz NOT NULL DEFAULT now()
);

-- What was wished for at the start stood beside the rules of signing in, whose place that is.
INSERT INTO setting_versions (number, document, author, reason, cause)
  SELECT 1, jsonb_build_object('retention.auditDays', value), '{"kind":"system","id":"system:bootstrap"}',
    'Set before there was a settings book.', 'start'
  FROM settings WHERE key = 'audit.retentionDays';
DELETE FROM settings WHERE key = 'audit.retentionDays';
