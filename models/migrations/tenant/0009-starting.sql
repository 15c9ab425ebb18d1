-- What starts runs by itself: how a schedule deals with a run that is late or still under way, and why it was paused;
-- what became of each message of a trigger.
ALTER TABLE run_schedules
  ADD COLUMN overlap text NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip', 'wait', 'cancel', 'allow')),
  ADD COLUMN catch_up_seconds integer NOT NULL DEFAULT 3600,
  -- Why it does not fire, where Freehold paused it: in words that hold nothing of the tenant's.
  ADD COLUMN pause_reason text;
ALTER TABLE triggers ADD COLUMN pause_reason text;
ALTER TABLE trigger_deliveries
  ADD COLUMN id text NOT NULL UNIQUE,
  ADD COLUMN attempts integer NOT NULL DEFAULT 1,
  -- Why no run was started, in a word.
  ADD COLUMN refusal_code text;
CREATE INDEX trigger_deliveries_list ON trigger_deliveries (trigger_id, id);
CREATE INDEX runs_origin ON runs (origin_id, id) WHERE origin_id IS NOT NULL;
CREATE INDEX runs_started ON runs (started_at, id) WHERE started_at IS NOT NULL;
CREATE INDEX runs_ended ON runs (ended_at, id) WHERE ended_at IS NOT NULL;
-- Each time a schedule was due, once: the id of the workflow that Temporal started for it.
CREATE TABLE run_schedule_firings (
  schedule_id text NOT NULL REFERENCES run_schedules ON DELETE CASCADE,
  fire text NOT NULL,
  id text NOT NULL UNIQUE,
  outcome text NOT NULL CHECK (outcome IN ('started', 'skipped', 'refused', 'paused')),
  run_id text,
  refusal_code text,
  fired_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (schedule_id, fire)
);
CREATE INDEX run_schedule_firings_list ON run_schedule_firings (schedule_id, id);
