-- What tells who somebody is stands under the tenant's key; email_key becomes a keyed hash of the address.
ALTER TABLE users ADD COLUMN sealed_email bytea, ADD COLUMN sealed_name bytea;
-- Answers and what people were before and after a change name them as well.
ALTER TABLE idempotency_keys ADD COLUMN sealed_body bytea;
ALTER TABLE audit_events ADD COLUMN sealed_details bytea;
-- sealing: people. Where there are any, models/sealing-upgrade.ts seals them here, before what is plain goes.
ALTER TABLE users ALTER COLUMN sealed_email SET NOT NULL, ALTER COLUMN sealed_name SET NOT NULL,
  DROP COLUMN email, DROP COLUMN name;
ALTER TABLE idempotency_keys DROP COLUMN body;
