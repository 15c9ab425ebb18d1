import { AsyncLocalStorage } from 'node:async_hooks';
import pino from 'pino';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/**
 * Lines are written a block at a time: one write for each took a tenth of a request. At the end, also of a crash,
 * pino writes what is left; only a SIGKILL can cost the last quarter of a second.
 */
const blockBytes = 4_096;
const flushMs = 250;
const destination = pino.destination({ sync: false, minLength: blockBytes });
setInterval(() => destination.flush(), flushMs).unref();

/**
 * What the work at hand is about. Whatever is logged within it says so, however deep down it is logged and by whom:
 * an activity cannot forget it.
 */
export type About = {
  requestId?: string | undefined;
  tenantId?: string | undefined;
  operationId?: string | undefined;
};
const about = new AsyncLocalStorage<About>();

/** `subject` may still be filled in while `act` runs. */
export function logAbout<T>(subject: About, act: () => Promise<T>): Promise<T> {
  return about.run(subject, act);
}

/**
 * The only logger and the only place metric names are made. Every line written while a tenant is served carries
 * `tenantId` and `requestId` (child loggers), so that no log needs to be guessed back to its tenant.
 */
export const log = pino(
  {
    level: 'info',
    base: {},
    mixin: () => ({ ...about.getStore() }),
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: [
      'authorization',
      'password',
      'token',
      'key',
      '*.authorization',
      '*.password',
      '*.token',
      '*.key',
    ],
  },
  destination,
);
export type Log = typeof log;

export const metrics = new Registry();
collectDefaultMetrics({ register: metrics });

export const httpSeconds = new Histogram({
  name: 'freehold_http_request_seconds',
  help: 'Time to answer an HTTP request, by route and status.',
  labelNames: ['method', 'route', 'status'],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
  registers: [metrics],
});

/** By tenant, as are all counters: histograms with a series per tenant and bucket would not fit in memory. */
export const requests = new Counter({
  name: 'freehold_http_requests_total',
  help: 'HTTP requests answered to known callers, by tenant and kind of credential.',
  labelNames: ['tenant', 'credential'],
  registers: [metrics],
});

export const refusals = new Counter({
  name: 'freehold_refusals_total',
  help: 'Requests and activities refused, by code and tenant.',
  labelNames: ['code', 'tenant'],
  registers: [metrics],
});

export const activitySeconds = new Histogram({
  name: 'freehold_activity_seconds',
  help: 'Time one attempt of an activity takes, by activity and outcome.',
  labelNames: ['activity', 'outcome'],
  registers: [metrics],
});

/** The same by tenant, for whoever asks what Freehold does for one; how long each takes is in the histogram. */
export const activities = new Counter({
  name: 'freehold_activities_total',
  help: 'Attempts of activities, by tenant and outcome.',
  labelNames: ['tenant', 'outcome'],
  registers: [metrics],
});

export const openStreams = new Gauge({
  name: 'freehold_event_streams',
  help: 'Streams of run events that are open in this process.',
  registers: [metrics],
});

/** Why streams ended: the run did, the reader went or was too slow, a right was taken away, this process stops. */
export const endedStreams = new Counter({
  name: 'freehold_event_streams_ended_total',
  help: 'Streams of run events that have ended, by reason.',
  labelNames: ['reason'],
  registers: [metrics],
});

export const journalDropped = new Counter({
  name: 'freehold_usage_journal_dropped_total',
  help: 'Acts whose use was not written down: the usage journal was full, or could not be written.',
  registers: [metrics],
});

export const usageDrifts = new Counter({
  name: 'freehold_usage_drifts_total',
  help: 'Sums of a day’s use that were not the same counted in two ways, by tenant and check.',
  labelNames: ['tenant', 'check'],
  registers: [metrics],
});
