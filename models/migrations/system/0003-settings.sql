-- What holds for every tenant that has not said otherwise: as a tenant's own book, each row is the whole.
CREATE TABLE platform_setting_versions (
  number integer PRIMARY KEY CHECK (number > 0),
  document jsonb NOT NULL,
  author jsonb NOT NULL,
  reason text NOT NULL,
  cause text NOT NULL CHECK (cause IN ('change', 'rollback')),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  transaction xid8 NOT NULL DEFAULT pg_current_xact_id()
);
-- Processes that keep settings of this database in memory, and up to where each has followed its changes.
CREATE TABLE processes (
  id text PRIMARY KEY,
  followed pg_snapshot NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  renewed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON platform_setting_versions, processes TO freehold_system;
