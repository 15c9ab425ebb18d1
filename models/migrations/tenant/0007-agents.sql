-- Agents with versions, workflows, memory and packages taken in. What people, models or tools wrote (definitions,
-- instructions, notes, what is remembered and about whom) is sealed under the tenant's key (models/keyring.ts); in clear
-- stand names, ids, states and times. Whose something is holds by foreign keys inside this schema: another tenant's
-- agent, workflow or conversation is simply unknown here.
ALTER TABLE agents
  -- The draft: what a run of the environment `draft` takes, and what the next version is made from.
  ADD COLUMN sealed_definition bytea,
  ADD COLUMN latest_version integer NOT NULL DEFAULT 0,
  ADD COLUMN live_version integer;
-- sealing: agents. What they were told stood in the clear in `instructions`, which holds nothing from here on.
CREATE TABLE agent_versions (
  agent_id text NOT NULL REFERENCES agents ON DELETE CASCADE,
  version integer NOT NULL,
  sealed_definition bytea NOT NULL,
  sealed_note bytea NOT NULL,
  published_by text NOT NULL,
  published_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (agent_id, version)
);
ALTER TABLE agents ADD CONSTRAINT agents_live FOREIGN KEY (id, live_version) REFERENCES agent_versions (agent_id, version);
-- Whom a version hands work to. An agent that is named by one of another's versions cannot be removed.
CREATE TABLE agent_hand_offs (
  agent_id text NOT NULL,
  version integer NOT NULL,
  to_agent_id text NOT NULL REFERENCES agents,
  PRIMARY KEY (agent_id, version, to_agent_id),
  FOREIGN KEY (agent_id, version) REFERENCES agent_versions ON DELETE CASCADE
);
CREATE INDEX agent_hand_offs_to ON agent_hand_offs (to_agent_id);

CREATE TABLE workflows (
  id text PRIMARY KEY,
  name text NOT NULL,
  name_key text NOT NULL UNIQUE,
  description text NOT NULL DEFAULT '',
  tags text[] NOT NULL DEFAULT '{}',
  owner_id text,
  sealed_definition bytea NOT NULL,
  latest_version integer NOT NULL DEFAULT 0,
  live_version integer,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX workflows_owner ON workflows (owner_id, id);
CREATE TABLE workflow_versions (
  workflow_id text NOT NULL REFERENCES workflows ON DELETE CASCADE,
  version integer NOT NULL,
  sealed_definition bytea NOT NULL,
  sealed_note bytea NOT NULL,
  published_by text NOT NULL,
  published_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workflow_id, version)
);
ALTER TABLE workflows
  ADD CONSTRAINT workflows_live FOREIGN KEY (id, live_version) REFERENCES workflow_versions (workflow_id, version);
-- What a version runs: an agent or another workflow, which cannot be removed while it is named here.
CREATE TABLE workflow_uses (
  workflow_id text NOT NULL,
  version integer NOT NULL,
  used text NOT NULL,
  used_agent_id text REFERENCES agents,
  used_workflow_id text REFERENCES workflows,
  PRIMARY KEY (workflow_id, version, used),
  FOREIGN KEY (workflow_id, version) REFERENCES workflow_versions ON DELETE CASCADE,
  CHECK (num_nonnulls(used_agent_id, used_workflow_id) = 1 AND used = coalesce(used_agent_id, used_workflow_id))
);
CREATE INDEX workflow_uses_agent ON workflow_uses (used_agent_id);
CREATE INDEX workflow_uses_workflow ON workflow_uses (used_workflow_id);

CREATE TABLE conversations (
  id text PRIMARY KEY,
  agent_id text NOT NULL REFERENCES agents ON DELETE CASCADE,
  owner_id text,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (id, agent_id)
);
CREATE INDEX conversations_agent ON conversations (agent_id, id);
CREATE TABLE memories (
  id text PRIMARY KEY,
  -- In the order of remembering, which ids made within one millisecond by two processes are not.
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  agent_id text NOT NULL REFERENCES agents ON DELETE CASCADE,
  conversation_id text NOT NULL,
  role text NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool', 'note')),
  sealed_text bytea NOT NULL,
  -- Whom it is about, so that it can be forgotten: found by a keyed hash, told by what is sealed.
  subject_key text,
  sealed_subject bytea,
  owner_id text,
  run_id text,
  idempotency_key text,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- What apply-retention goes by; null follows the setting of its class.
  expires_at timestamptz,
  FOREIGN KEY (conversation_id, agent_id) REFERENCES conversations (id, agent_id) ON DELETE CASCADE,
  UNIQUE (agent_id, idempotency_key)
);
CREATE INDEX memories_agent ON memories (agent_id, seq);
CREATE INDEX memories_conversation ON memories (conversation_id, seq);
CREATE INDEX memories_subject ON memories (subject_key) WHERE subject_key IS NOT NULL;
CREATE INDEX memories_created ON memories (created_at);
CREATE INDEX memories_expiry ON memories (expires_at) WHERE expires_at IS NOT NULL;
-- Words of what is remembered, as keyed hashes of their stems (policies/search-terms.ts). Rows of text instead of a
-- tsvector or an array: their operators are not leakproof, so that under row-level security no index could serve them.
CREATE TABLE memory_terms (
  agent_id text NOT NULL,
  term text NOT NULL,
  memory_id text NOT NULL REFERENCES memories ON DELETE CASCADE,
  PRIMARY KEY (agent_id, term, memory_id)
);
CREATE INDEX memory_terms_memory ON memory_terms (memory_id);

-- Packages that were taken in: each is taken once.
CREATE TABLE package_imports (
  package_id text PRIMARY KEY,
  imported_by text NOT NULL,
  made jsonb NOT NULL,
  imported_at timestamptz NOT NULL DEFAULT now()
);
