-- Other systems a tenant is connected to. The credential, and what was got with it, is sealed under the tenant's key.
CREATE TABLE integrations (
  id text PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('http', 'webhook', 's3', 'smtp', 'slack')),
  name text NOT NULL,
  name_key text NOT NULL UNIQUE,
  -- Where and how, by kind (policies/integration.ts): nothing in it is secret.
  target jsonb NOT NULL,
  credential_sealed bytea NOT NULL,
  credential_hint text NOT NULL,
  credential_since timestamptz NOT NULL DEFAULT now(),
  -- Of webhooks: the secret before, which signs beside the new one until then.
  previous_sealed bytea,
  previous_until timestamptz,
  -- Of OAuth2: the access token, with when it ends.
  token_sealed bytea,
  expires_at timestamptz,
  state text NOT NULL CHECK (state IN ('active', 'unverified', 'failing')),
  failing_since timestamptz,
  checks jsonb NOT NULL DEFAULT '[]',
  checked_at timestamptz,
  certificate_until timestamptz,
  -- The smallest number of days before the end of certificate or credential that was warned of.
  warned_days integer,
  breaker text NOT NULL DEFAULT 'closed' CHECK (breaker IN ('closed', 'half-open', 'open')),
  breaker_since timestamptz NOT NULL DEFAULT now(),
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- Each call an agent or a workflow made through one: who, for which run, and how it went; never what was said.
CREATE TABLE integration_uses (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  integration_id text NOT NULL REFERENCES integrations ON DELETE CASCADE,
  principal_id text NOT NULL,
  agent_id text,
  run_id text,
  method text NOT NULL,
  status integer,
  -- How it failed, where there was no answer.
  failure text,
  request_bytes integer NOT NULL,
  response_bytes integer NOT NULL,
  milliseconds integer NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX integration_uses_of ON integration_uses (integration_id, at);

-- The outbox of webhooks: written in the transaction of the act it tells of, sent by deliver-webhooks.
CREATE TABLE webhook_deliveries (
  id text PRIMARY KEY,
  integration_id text NOT NULL REFERENCES integrations ON DELETE CASCADE,
  type text NOT NULL,
  payload text NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
  attempts integer NOT NULL DEFAULT 0,
  replays integer NOT NULL DEFAULT 0,
  -- The last answer: a status, or how far it came.
  outcome text,
  due_at timestamptz DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (due_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_of ON webhook_deliveries (integration_id, id);
