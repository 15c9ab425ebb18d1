-- What happens near a limit and over it. Each crossing of a threshold once, whoever notices it first.
CREATE TABLE quota_crossings (
  quota_id text NOT NULL REFERENCES quotas ON DELETE CASCADE,
  scope_id text NOT NULL,
  window_start timestamptz NOT NULL,
  threshold integer NOT NULL,
  used numeric NOT NULL,
  amount bigint NOT NULL,
  -- When the window turns; empty where it never does.
  resets_at timestamptz,
  -- When somebody was told of it last; of many in a short time nobody is.
  told_at timestamptz,
  crossed_at timestamptz NOT NULL DEFAULT now(),
  resolved_at timestamptz,
  PRIMARY KEY (quota_id, scope_id, window_start, threshold)
);
CREATE INDEX quota_crossings_open ON quota_crossings (crossed_at) WHERE resolved_at IS NULL;
-- What somebody is told in the console, one row for each of them; mailed once.
CREATE TABLE notifications (
  id text PRIMARY KEY,
  owner_id text NOT NULL REFERENCES users ON DELETE CASCADE,
  kind text NOT NULL,
  subject_type text NOT NULL,
  subject_id text NOT NULL,
  -- Ids, counts, times and names of meters only.
  data jsonb NOT NULL,
  read_at timestamptz,
  mail text NOT NULL DEFAULT 'pending' CHECK (mail IN ('pending', 'sent', 'none')),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notifications_owner ON notifications (owner_id, id);
CREATE INDEX notifications_pending ON notifications (created_at) WHERE mail = 'pending';
-- Asked by the organisation, decided by an operator or by a rule, with an end or without one.
CREATE TABLE quota_requests (
  id text PRIMARY KEY,
  operation_id text NOT NULL,
  quota_id text NOT NULL REFERENCES quotas ON DELETE CASCADE,
  amount bigint NOT NULL CHECK (amount >= 0),
  until timestamptz,
  sealed_reason bytea NOT NULL,
  owner_id text NOT NULL,
  state text NOT NULL DEFAULT 'waiting'
    CHECK (state IN ('waiting', 'approved', 'refused', 'withdrawn', 'lapsed', 'reverted', 'failed')),
  decided_by jsonb,
  decision_reason text,
  granted bigint,
  granted_until timestamptz,
  -- What the limit was before a raise without an end, should that have to be taken back.
  previous jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  decided_at timestamptz,
  raised_at timestamptz,
  ended_at timestamptz
);
CREATE INDEX quota_requests_state ON quota_requests (state, id);
-- The ladder of measures, as versions; the newest holds.
CREATE TABLE usage_ladders (
  version integer PRIMARY KEY CHECK (version > 0),
  rungs jsonb NOT NULL,
  author jsonb NOT NULL,
  reason text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
-- What holds just now because of a limit or of abuse: for whom, why, and until when. One that somebody lifted stays known
-- until its cause is over, so that it does not begin again at once; nothing enforces it any more.
CREATE TABLE usage_restrictions (
  id text PRIMARY KEY,
  -- Of which rung of which window, or which rule about whom.
  key text NOT NULL,
  scope text NOT NULL CHECK (scope IN ('tenant', 'tag', 'agent', 'key', 'user')),
  scope_id text NOT NULL DEFAULT '',
  measure text NOT NULL CHECK (measure IN ('warn', 'slow', 'cheaper-model', 'queue', 'refuse', 'stop')),
  cause text NOT NULL CHECK (cause IN ('limit', 'spike', 'key-places', 'key-refusals')),
  -- Whose rule it is: the organisation's own, which its administrators can lift, or the platform's.
  made_by text NOT NULL CHECK (made_by IN ('tenant', 'platform')),
  quota_id text,
  -- Counts, names of meters and models, and ids.
  data jsonb NOT NULL DEFAULT '{}',
  since timestamptz NOT NULL DEFAULT now(),
  until timestamptz,
  lifted_at timestamptz,
  lifted_by jsonb,
  lift_reason text,
  -- When its cause was over.
  ended_at timestamptz,
  -- Whether runs that it held have been told that it is over.
  runs_told boolean NOT NULL DEFAULT false,
  CHECK (scope <> 'tenant' OR scope_id = '')
);
CREATE UNIQUE INDEX usage_restrictions_known ON usage_restrictions (key) WHERE ended_at IS NULL;
CREATE INDEX usage_restrictions_holding ON usage_restrictions (since) WHERE ended_at IS NULL AND lifted_at IS NULL;
CREATE INDEX usage_restrictions_untold ON usage_restrictions (id) WHERE NOT runs_told AND measure IN ('queue', 'stop');
-- From how many networks each key came in an hour, under a keyed hash of each: enough to see that a key has leaked, and
-- nothing about where anybody is.
CREATE TABLE key_networks (
  key_id text NOT NULL,
  hour timestamptz NOT NULL,
  network text NOT NULL,
  PRIMARY KEY (key_id, hour, network)
);
CREATE INDEX key_networks_hour ON key_networks (hour);
-- Which of its requests were refused, newest first, for what looks for keys that are tried out.
CREATE INDEX audit_events_refused ON audit_events (at) WHERE outcome = 'refused';
-- The model that would have been asked, had a restriction not put a cheaper one in its place.
ALTER TABLE llm_uses ADD COLUMN instead_of text, ADD COLUMN restriction_id text;
