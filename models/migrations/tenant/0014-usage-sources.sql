-- What a model call under way may use at most, against its run's own limit, and until when it is under way at all; and
-- how many calls of a turn have come to their end, which names what the next one reserves.
ALTER TABLE run_steps
  ADD COLUMN tokens_reserved bigint NOT NULL DEFAULT 0,
  ADD COLUMN reserved_until timestamptz,
  ADD COLUMN model_calls integer NOT NULL DEFAULT 0;
CREATE INDEX run_steps_reserved ON run_steps (run_id) WHERE tokens_reserved > 0;
-- What of a day's use was counted differently in two places; a row for each day that was looked at, a day late.
CREATE TABLE usage_reconciliations (
  day date PRIMARY KEY,
  -- How many sums were compared, and those that differ: [{check, what, expected, actual}].
  compared integer NOT NULL,
  drifts jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
