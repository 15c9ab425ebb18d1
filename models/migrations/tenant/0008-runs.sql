-- Runs of agents and workflows, what starts them by itself, and what they leave behind. Whatever people, models or
-- tools wrote is sealed under the tenant's key (models/keyring.ts); in clear stand ids, states, times and counts only.
-- Agents and workflows are named without a foreign key: a run outlives what it ran, whose definition it carries.
CREATE TABLE runs (
  id text PRIMARY KEY,
  agent_id text,
  workflow_id text,
  -- Of what was started, pinned; null for a draft.
  definition_version integer,
  environment text NOT NULL CHECK (environment IN ('draft', 'live')),
  state text NOT NULL CHECK (state IN
    ('queued', 'running', 'waiting', 'paused', 'succeeded', 'failed', 'refused', 'cancelled')),
  -- What was last asked of it. The workflow reads it when it is told to look; a signal by itself says nothing.
  wanted text NOT NULL DEFAULT 'running' CHECK (wanted IN ('running', 'paused', 'cancelled')),
  -- Whose it is, and in whose name every step acts: a person, or a key.
  owner_id text NOT NULL,
  principal jsonb NOT NULL,
  origin text NOT NULL DEFAULT 'request' CHECK (origin IN ('request', 'schedule', 'trigger')),
  origin_id text,
  conversation_id text,
  request_id text,
  limits jsonb NOT NULL,
  -- Every definition it can reach, as it was when it started: agents, sub-agents, workflows, sub-workflows.
  sealed_plan bytea NOT NULL,
  sealed_input bytea NOT NULL,
  sealed_output bytea,
  sealed_labels bytea NOT NULL,
  -- Why it did not succeed: which rule or limit in clear, the sentence sealed.
  refusal_code text,
  sealed_refusal bytea,
  steps_used integer NOT NULL DEFAULT 0,
  tokens_input bigint NOT NULL DEFAULT 0,
  tokens_output bigint NOT NULL DEFAULT 0,
  -- Raised by each retry: which Temporal run of the one workflow id this is.
  round integer NOT NULL DEFAULT 1,
  last_event bigint NOT NULL DEFAULT 0,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  ended_at timestamptz,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((agent_id IS NULL) <> (workflow_id IS NULL))
);
CREATE INDEX runs_state ON runs (state, id);
CREATE INDEX runs_workflow ON runs (workflow_id, id) WHERE workflow_id IS NOT NULL;
CREATE INDEX runs_agent ON runs (agent_id, id) WHERE agent_id IS NOT NULL;
CREATE INDEX runs_owner ON runs (owner_id, id);
CREATE INDEX runs_created ON runs (created_at, id);
-- Words of a run's own labels, as keyed hashes (policies/run.ts says which words). Equality of text is leakproof, so
-- this index is used under row-level security, which one over an array would not be.
CREATE TABLE run_labels (
  token text NOT NULL,
  run_id text NOT NULL REFERENCES runs ON DELETE CASCADE,
  PRIMARY KEY (token, run_id)
);
CREATE INDEX run_labels_run ON run_labels (run_id);
-- The ledger: a row for each step, model turn, tool call and item, by its path below the run.
CREATE TABLE run_steps (
  run_id text NOT NULL REFERENCES runs ON DELETE CASCADE,
  path text NOT NULL,
  number integer NOT NULL,
  kind text NOT NULL,
  state text NOT NULL CHECK (state IN ('running', 'waiting', 'done', 'failed', 'skipped')),
  attempts integer NOT NULL DEFAULT 1,
  -- How often its effect was asked for anew after it had been had: part of the idempotency key sent to tools.
  effect integer NOT NULL DEFAULT 1,
  -- Items of a map, iterations of a loop that are over.
  progress integer NOT NULL DEFAULT 0,
  agent_id text,
  definition_version integer,
  sealed_input bytea,
  sealed_output bytea,
  refusal_code text,
  sealed_refusal bytea,
  tokens_input integer NOT NULL DEFAULT 0,
  tokens_output integer NOT NULL DEFAULT 0,
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  PRIMARY KEY (run_id, path)
);
-- What happened, in order and without gaps: `runs.last_event` is raised in the same transaction.
CREATE TABLE run_events (
  run_id text NOT NULL REFERENCES runs ON DELETE CASCADE,
  seq bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind text NOT NULL,
  path text,
  sealed_data bytea,
  PRIMARY KEY (run_id, seq)
);
CREATE TABLE run_approvals (
  run_id text NOT NULL REFERENCES runs ON DELETE CASCADE,
  path text NOT NULL,
  role text NOT NULL,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'rejected', 'expired', 'withdrawn')),
  sealed_question bytea NOT NULL,
  sealed_comment bytea,
  asked_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  answered_by text,
  answered_at timestamptz,
  PRIMARY KEY (run_id, path)
);
CREATE INDEX run_approvals_open ON run_approvals (role, run_id) WHERE state = 'open';
CREATE TABLE run_schedules (
  id text PRIMARY KEY,
  name text NOT NULL,
  agent_id text,
  workflow_id text,
  environment text NOT NULL DEFAULT 'live' CHECK (environment IN ('draft', 'live')),
  cron text NOT NULL,
  zone text NOT NULL,
  sealed_input bytea NOT NULL,
  sealed_labels bytea NOT NULL,
  owner_id text NOT NULL,
  principal jsonb NOT NULL,
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused')),
  last_run_id text,
  last_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((agent_id IS NULL) <> (workflow_id IS NULL))
);
CREATE INDEX run_schedules_owner ON run_schedules (owner_id, id);
CREATE TABLE triggers (
  id text PRIMARY KEY,
  name text NOT NULL,
  agent_id text,
  workflow_id text,
  environment text NOT NULL DEFAULT 'live' CHECK (environment IN ('draft', 'live')),
  sealed_secret bytea NOT NULL,
  secret_hint text NOT NULL,
  sealed_previous_secret bytea,
  previous_until timestamptz,
  sealed_input bytea NOT NULL,
  sealed_labels bytea NOT NULL,
  owner_id text NOT NULL,
  principal jsonb NOT NULL,
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused')),
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((agent_id IS NULL) <> (workflow_id IS NULL))
);
CREATE INDEX triggers_owner ON triggers (owner_id, id);
-- Each message of a sender is taken once, by the id it carries.
CREATE TABLE trigger_deliveries (
  trigger_id text NOT NULL REFERENCES triggers ON DELETE CASCADE,
  message_id text NOT NULL,
  run_id text,
  outcome text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (trigger_id, message_id)
);
CREATE INDEX trigger_deliveries_age ON trigger_deliveries (received_at);
