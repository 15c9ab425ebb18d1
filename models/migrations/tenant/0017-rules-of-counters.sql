-- By which limits it was last found that this counter is all there is to raise: a digest of all of them. Whoever remembers
-- the same need not read them again. Null: nobody has looked since limits were changed.
ALTER TABLE quota_counters ADD COLUMN rules text;
CREATE INDEX quota_counters_known ON quota_counters (quota_id, window_start) WHERE rules IS NOT NULL;
