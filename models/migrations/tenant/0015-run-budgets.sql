-- What a run holds of the organisation's limits from its start on: {"tokens": 5000, "steps": 20}. Null: nothing; then what it
-- uses is taken from the limits as it goes.
ALTER TABLE runs ADD COLUMN budget jsonb;
