-- Providers of language models. One that was removed stays as a row, without secrets, for the log of uses names it and
-- agents that still do are led to its successor.
CREATE TABLE llm_providers (
  id text PRIMARY KEY,
  name text NOT NULL,
  name_key text NOT NULL,
  kind text NOT NULL,
  base_url text,
  api_version text,
  -- The residency group in which it processes what it is sent.
  region text NOT NULL,
  -- What may be asked of it; NULL: whatever it has.
  models text[],
  -- Names that are asked for, and what this provider calls them.
  aliases jsonb NOT NULL DEFAULT '{}',
  -- The agents that may use it; NULL: all.
  agents text[],
  timeout_seconds integer NOT NULL,
  enabled boolean NOT NULL DEFAULT true,
  successor_id text REFERENCES llm_providers,
  deleted_at timestamptz,
  created_by text NOT NULL,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX llm_providers_name ON llm_providers (name_key) WHERE deleted_at IS NULL;
-- The one without an end is used; one with an end stands in for it until then, if the provider refuses it.
CREATE TABLE llm_credentials (
  provider_id text NOT NULL REFERENCES llm_providers ON DELETE CASCADE,
  number integer NOT NULL,
  secret_sealed bytea NOT NULL,
  last_four text NOT NULL,
  valid_until timestamptz,
  refused_at timestamptz,
  last_used_at timestamptz,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (provider_id, number)
);
CREATE UNIQUE INDEX llm_credentials_current ON llm_credentials (provider_id) WHERE valid_until IS NULL;
-- Written before the credential is opened, so that a worker that dies in the middle of a call leaves its trace.
CREATE TABLE llm_uses (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  provider_id text NOT NULL,
  credential integer,
  purpose text NOT NULL CHECK (purpose IN ('run', 'test')),
  principal_id text NOT NULL,
  agent_id text,
  run_id text,
  model text NOT NULL,
  region text NOT NULL,
  -- `begun` for as long as nothing came back.
  outcome text NOT NULL DEFAULT 'begun',
  input_tokens bigint,
  output_tokens bigint,
  cached_tokens bigint,
  reasoning_tokens bigint,
  milliseconds integer
);
CREATE INDEX llm_uses_provider ON llm_uses (provider_id, seq);
CREATE INDEX llm_uses_run ON llm_uses (run_id) WHERE run_id IS NOT NULL;
