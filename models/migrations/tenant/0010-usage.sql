-- The one meter: what was used, exactly once by key, rolled up by the hour and the day (UTC) in the statement that takes
-- it. In clear stand ids, counts and names of models only. How a meter's readings become a number says policies/meters.ts.
--
-- What a reading is of, once: readings and roll-ups carry its number instead of seven texts. What other systems reported
-- stands by itself, for sums are of both, but nobody is suspected because of what somebody else said of them.
CREATE TABLE usage_series (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  meter text NOT NULL,
  agent_id text NOT NULL DEFAULT '',
  workflow_id text NOT NULL DEFAULT '',
  user_id text NOT NULL DEFAULT '',
  key_id text NOT NULL DEFAULT '',
  model text NOT NULL DEFAULT '',
  kind text NOT NULL DEFAULT '',
  reported boolean NOT NULL DEFAULT false,
  UNIQUE (meter, agent_id, workflow_id, user_id, key_id, model, kind, reported)
);
-- What acts of the product used, written in the transaction of the act and by nothing else; taken into the meter, in
-- batches, moments later. Only appended to, so no act waits for another.
CREATE TABLE usage_outbox (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event jsonb NOT NULL
);
-- Which readings were taken: a hash of source and id, and when it came. Kept from then on for longer than any reading is
-- still taken (policies/usage-window.ts), so that none is ever taken twice, whenever it comes again. Not partitioned, for a
-- key holds in all months together.
CREATE TABLE usage_keys (
  key uuid PRIMARY KEY,
  at timestamptz NOT NULL
);
CREATE INDEX usage_keys_at ON usage_keys USING brin (at);
-- The readings. A partition for each month (models/usage-partitions.ts); what comes before its month was made waits in the
-- rest, and is moved.
CREATE TABLE usage_events (
  key uuid NOT NULL,
  series integer NOT NULL,
  at timestamptz NOT NULL,
  value numeric NOT NULL,
  member text,
  run_id text,
  received_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (at);
CREATE INDEX usage_events_at ON usage_events USING brin (at);
CREATE TABLE usage_events_rest PARTITION OF usage_events DEFAULT;
-- With no policy and no grant: reached through its table or not at all.
ALTER TABLE usage_events_rest ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
-- Sum, count, greatest, newest; `weighted` is each change times the seconds left of the bucket, from which, with the
-- level at its beginning, the time-weighted mean follows in whatever order changes came.
CREATE TABLE usage_hours (
  series integer NOT NULL REFERENCES usage_series,
  hour timestamptz NOT NULL,
  value numeric NOT NULL,
  events bigint NOT NULL,
  peak numeric NOT NULL,
  last numeric NOT NULL,
  last_at timestamptz NOT NULL,
  weighted numeric NOT NULL,
  PRIMARY KEY (series, hour)
);
CREATE INDEX usage_hours_hour ON usage_hours (hour);
CREATE TABLE usage_days (
  series integer NOT NULL REFERENCES usage_series,
  day date NOT NULL,
  value numeric NOT NULL,
  events bigint NOT NULL,
  peak numeric NOT NULL,
  last numeric NOT NULL,
  last_at timestamptz NOT NULL,
  weighted numeric NOT NULL,
  PRIMARY KEY (series, day)
);
CREATE INDEX usage_days_day ON usage_days (day);
-- Members of unique meters, each once a day (UTC).
CREATE TABLE usage_members (
  series integer NOT NULL REFERENCES usage_series,
  day date NOT NULL,
  member text NOT NULL,
  PRIMARY KEY (series, day, member)
);
-- Readings that came later than the window in which roll-ups may still change: what was invoiced stays as it was, and
-- these stand beside it.
CREATE TABLE usage_corrections (
  key uuid PRIMARY KEY,
  series integer NOT NULL REFERENCES usage_series,
  at timestamptz NOT NULL,
  value numeric NOT NULL,
  member text,
  run_id text,
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX usage_corrections_received ON usage_corrections (received_at);
