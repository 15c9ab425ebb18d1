-- Requests for more of a limit, as operators see them of all tenants at once. Told by each request's own workflow; the
-- reason is sealed in the tenant and is not here, nor is who asked.
CREATE TABLE tenant_quota_requests (
  id text PRIMARY KEY,
  tenant_id text NOT NULL REFERENCES tenants,
  operation_id text NOT NULL,
  quota_id text NOT NULL,
  amount bigint NOT NULL,
  until timestamptz,
  state text NOT NULL,
  granted bigint,
  granted_until timestamptz,
  created_at timestamptz NOT NULL,
  decided_at timestamptz,
  ended_at timestamptz
);
CREATE INDEX tenant_quota_requests_state ON tenant_quota_requests (state, id);
CREATE INDEX tenant_quota_requests_tenant ON tenant_quota_requests (tenant_id, id);
ALTER TABLE tenant_quota_requests ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON tenant_quota_requests USING (
  (SELECT current_setting('app.scope', true)) = 'platform'
  OR tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_quota_requests TO freehold_system;
