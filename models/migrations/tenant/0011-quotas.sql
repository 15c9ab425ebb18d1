-- Limits on meters (policies/quotas.ts), and the ledger in which what acts may use is reserved before them.
ALTER TABLE quotas DROP CONSTRAINT quotas_pkey, DROP CONSTRAINT quotas_origin_check;
ALTER TABLE quotas
  ADD COLUMN id text,
  ADD COLUMN time_window text NOT NULL DEFAULT 'level'
    CHECK (time_window IN ('level', 'concurrent', 'minute', 'hour', 'day', 'week', 'month', 'rolling')),
  -- Of rolling windows.
  ADD COLUMN window_minutes integer CHECK (window_minutes BETWEEN 1 AND 44640),
  -- Of calendar windows: where their days begin.
  ADD COLUMN zone text NOT NULL DEFAULT 'UTC',
  ADD COLUMN scope text NOT NULL DEFAULT 'tenant' CHECK (scope IN ('tenant', 'tag', 'agent', 'key', 'run')),
  -- Whose; empty: of each of them for itself.
  ADD COLUMN scope_id text NOT NULL DEFAULT '',
  ADD COLUMN hard boolean NOT NULL DEFAULT true,
  -- What happens to an act when the ledger cannot be asked: it is refused, or goes on and is counted later.
  ADD COLUMN unreachable text NOT NULL DEFAULT 'refuse' CHECK (unreachable IN ('refuse', 'allow')),
  -- Percent of the amount at which somebody is told.
  ADD COLUMN thresholds integer[] NOT NULL DEFAULT '{80,90,100}',
  -- A raise for a time: it holds until then whether or not anybody takes it back.
  ADD COLUMN raised_to bigint CHECK (raised_to >= 0),
  ADD COLUMN raised_until timestamptz,
  ADD COLUMN version integer NOT NULL DEFAULT 1,
  ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
  ADD CHECK ((time_window = 'rolling') = (window_minutes IS NOT NULL)),
  ADD CHECK (scope <> 'tenant' OR scope_id = '');
UPDATE quotas SET id = 'plan.' || meter, time_window = CASE WHEN meter = 'runs' THEN 'month' ELSE 'level' END,
  meter = CASE WHEN meter = 'storageBytes' THEN 'storage.bytes' ELSE meter END,
  origin = CASE WHEN origin = 'tenant' THEN 'operator' ELSE origin END;
ALTER TABLE quotas ALTER COLUMN id SET NOT NULL, ADD PRIMARY KEY (id),
  ADD CHECK (origin IN ('plan', 'operator', 'tenant'));
CREATE INDEX quotas_meter ON quotas (meter);

-- What is used of a limit and what is reserved of it, for each of its scopes in each of its windows. Rolling windows have
-- one row, whose `slices` hold what was used by when: {"<seconds since 1970>": amount}.
CREATE TABLE quota_counters (
  quota_id text NOT NULL REFERENCES quotas ON DELETE CASCADE,
  scope_id text NOT NULL,
  window_start timestamptz NOT NULL,
  used numeric NOT NULL DEFAULT 0,
  reserved numeric NOT NULL DEFAULT 0 CHECK (reserved >= 0),
  slices jsonb,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (quota_id, scope_id, window_start)
);
-- What an act holds until it is over; whoever holds it has ended the act before the lease ends, so that what is given
-- back then is not used any more. A child takes from what its parent holds and from nothing else.
CREATE TABLE quota_reservations (
  id text PRIMARY KEY,
  parent_id text REFERENCES quota_reservations,
  run_id text,
  state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'settled', 'expired')),
  -- [{quotaId, scopeId, windowStart, meter, amount}], and of a parent by meter what its children hold and have used.
  holds jsonb NOT NULL,
  budget jsonb,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz
);
CREATE INDEX quota_reservations_held ON quota_reservations (expires_at) WHERE state = 'held';
CREATE INDEX quota_reservations_parent ON quota_reservations (parent_id) WHERE parent_id IS NOT NULL;
