-- What Freehold itself keeps beside the tenants of a cell. Tenant roles cannot see this schema.
CREATE SCHEMA platform;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE TABLE platform.tenant_schemas (
  tenant_id text PRIMARY KEY,
  version integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- What POST /tenants was told about people, until the tenant has a place of its own to keep it.
CREATE TABLE platform.intake (
  tenant_id text PRIMARY KEY,
  admin_email text NOT NULL,
  admin_name text NOT NULL,
  quotas jsonb NOT NULL DEFAULT '{}',
  settings jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);

-- The tenant's keys, wrapped under the root key. A destroyed key keeps its fingerprint, never its bytes.
CREATE TABLE platform.tenant_keys (
  tenant_id text NOT NULL,
  version integer NOT NULL,
  wrapped bytea,
  fingerprint text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  destroyed_at timestamptz,
  PRIMARY KEY (tenant_id, version),
  CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

-- Which steps of an operation took effect here: what makes an activity safe to repeat, and what stops one that
-- comes back late after its undo.
CREATE TABLE platform.effects (
  operation_id text NOT NULL,
  step text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (operation_id, step)
);

GRANT USAGE ON SCHEMA platform TO freehold_platform;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.intake, platform.tenant_keys, platform.effects TO freehold_platform;
GRANT SELECT ON platform.tenant_schemas TO freehold_platform;
