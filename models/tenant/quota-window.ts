/** Windows of limits as the database says them, of the row `q` of `quotas`; policies/quota-window.ts says the same for what is shown. */

/** Begins of windows that are in the past or go on for ever are handed on as seconds since 1970. */
export const windowStart = (at: string) =>
  `CASE WHEN q.time_window IN ('level', 'concurrent', 'rolling') THEN to_timestamp(0)
    ELSE date_trunc(q.time_window, ${at}, q.zone) END`;

/** When the window that begins then ends, by the clock of the limit's zone; nothing where nothing ends. */
export const windowEnd = (start: string) =>
  `CASE WHEN q.time_window IN ('level', 'concurrent', 'rolling') THEN NULL
    WHEN q.time_window IN ('minute', 'hour') THEN ${start} + ('1 ' || q.time_window)::interval
    ELSE (${start} AT TIME ZONE q.zone + ('1 ' || q.time_window)::interval) AT TIME ZONE q.zone END`;

/**
 * Until when `windowStart` surely stays what it is now: clocks change, and days begin, at quarters of an hour of UTC, also
 * where a change skips or repeats midnight.
 */
export const windowStands = (at: string) => `CASE q.time_window
    WHEN 'minute' THEN date_trunc('minute', ${at}) + interval '1 minute'
    ELSE date_bin('15 minutes', ${at}, to_timestamp(0)) + interval '15 minutes' END`;
