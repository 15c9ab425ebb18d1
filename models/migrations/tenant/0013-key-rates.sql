-- What a key may ask at most in a minute; without it, as much as its organisation.
ALTER TABLE api_keys ADD COLUMN requests_per_minute integer CHECK (requests_per_minute > 0);
