-- How much of each limit on requests was handed out in its minute, to all processes together (models/rate-lease.ts).
-- Not logged: after a crash of the server every minute begins anew, and no request waits for a disk.
CREATE UNLOGGED TABLE platform.request_rates (
  counter text PRIMARY KEY,
  ends_at timestamptz NOT NULL,
  taken integer NOT NULL,
  -- Of the last portion: how many there are in all, how many were wanted, and what was given.
  most integer NOT NULL,
  wanted integer NOT NULL,
  granted integer NOT NULL
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.request_rates TO freehold_platform;
