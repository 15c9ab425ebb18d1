-- Processes that keep settings of this cell's tenants in memory, and up to where each has followed their changes.
CREATE TABLE platform.processes (
  id text PRIMARY KEY,
  followed pg_snapshot NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  renewed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.processes TO freehold_platform;
