/**
 * How patient deliveries are: what a receiver does not take is tried again after each of these, and is dead after the
 * last. The sum is about three days, so that a receiver that is down over a weekend misses nothing.
 */
const minute = 60;
const hour = 60 * minute;
export const webhookDelaySeconds = [
  5,
  30,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
];

/** What a receiver has to answer within. */
export const webhookAnswerMs = 15_000;
