-- Operations that are no step of the tenant's life (an invitation, a mail) run beside each other and beside one that is.
ALTER TABLE operations ADD COLUMN exclusive boolean NOT NULL DEFAULT true;
DROP INDEX operations_one_running;
CREATE UNIQUE INDEX operations_one_running ON operations (tenant_id) WHERE exclusive AND state IN ('running', 'parked');

-- Which workspaces an address opens, under a keyed hash of it: no e-mail address stands outside its tenant. Whose it
-- is there is an id, so that the tenant can be asked for the address itself.
CREATE TABLE workspaces (
  email_hash text NOT NULL,
  tenant_id text NOT NULL REFERENCES tenants,
  user_id text NOT NULL,
  PRIMARY KEY (email_hash, tenant_id)
);
CREATE INDEX workspaces_tenant ON workspaces (tenant_id);
ALTER TABLE workspaces ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON workspaces USING (
  (SELECT current_setting('app.scope', true)) = 'platform'
  OR tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')));
GRANT SELECT, INSERT, UPDATE, DELETE ON workspaces TO freehold_system;
