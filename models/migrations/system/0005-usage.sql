-- What each tenant used, by the day (UTC) and meter: a mirror of the meters in the tenants' own schemas, for operators who
-- look at all of them at once. Counts and nothing else: no person, no agent, no name stands here.
CREATE TABLE tenant_usage_days (
  tenant_id text NOT NULL REFERENCES tenants,
  day date NOT NULL,
  meter text NOT NULL,
  value numeric NOT NULL,
  PRIMARY KEY (meter, day, tenant_id)
);
CREATE INDEX tenant_usage_days_tenant ON tenant_usage_days (tenant_id, day);
-- How far each mirror reaches.
CREATE TABLE tenant_usage_mirrors (
  tenant_id text PRIMARY KEY REFERENCES tenants,
  taken_until timestamptz NOT NULL,
  mirrored_at timestamptz NOT NULL DEFAULT now()
);
DO $$
DECLARE shared text;
BEGIN
  FOREACH shared IN ARRAY ARRAY['tenant_usage_days', 'tenant_usage_mirrors'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', shared);
    EXECUTE format($p$CREATE POLICY scope ON %I USING (
      (SELECT current_setting('app.scope', true)) = 'platform'
      OR tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')))$p$, shared);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_usage_days, tenant_usage_mirrors TO freehold_system;
