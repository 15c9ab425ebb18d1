-- Several versions of a tenant's key live at once: one seals, older ones open until nothing is sealed under them.
ALTER TABLE platform.tenant_keys
  -- Which root key it is wrapped under; null: the one of FREEHOLD_ROOT_KEY, from before there were others.
  ADD COLUMN root text,
  -- The key the tenant keeps in AWS KMS, when that is around it as well, inside the wrapping of the root key.
  ADD COLUMN customer_arn text,
  ADD COLUMN customer_endpoint text,
  ADD COLUMN customer_since timestamptz,
  -- The rotation that made it: asked for again, it makes no other.
  ADD COLUMN operation_id text UNIQUE,
  -- What outlives rotations (blind indexes, tokens in mails), sealed under this version; null: derived from it.
  ADD COLUMN lasting bytea,
  ADD COLUMN superseded_at timestamptz,
  ADD COLUMN retired_at timestamptz;

CREATE INDEX tenant_keys_superseded ON platform.tenant_keys (superseded_at) WHERE wrapped IS NOT NULL;

-- Sealed under a key of the installation: the tenant it is about has none yet. Plain ones are older, and gone in an hour.
ALTER TABLE platform.intake ADD COLUMN sealed bytea,
  ALTER COLUMN admin_email DROP NOT NULL, ALTER COLUMN admin_name DROP NOT NULL;
