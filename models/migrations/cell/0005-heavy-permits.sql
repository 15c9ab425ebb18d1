-- Heavy work of a region: so many at once, one for each tenant. In the first cell of each region, for all of them.
CREATE SEQUENCE platform.heavy_fences;
CREATE TABLE platform.heavy_permits (
  region text NOT NULL,
  place integer NOT NULL,
  -- Empty: for all of the region's tenants together.
  tenant_id text NOT NULL,
  work text NOT NULL,
  -- The operation, which may take over from an attempt of its own that is lost; that one's fence is no longer here.
  holder text NOT NULL,
  fence bigint NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT now(),
  renewed_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (region, place),
  UNIQUE (region, tenant_id)
);
GRANT USAGE ON SEQUENCE platform.heavy_fences TO freehold_platform;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.heavy_permits TO freehold_platform;
