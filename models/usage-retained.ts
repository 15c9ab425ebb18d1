import type { Retained } from './retention.ts';

/** How long requests for more are kept that are over, here and where operators see them. */
export const requestDays = 365;

/** What is kept for a time of usage, of limits, and of what follows from them (models/retention.ts). */
export const retainedUsage: Retained[] = [
  // Single readings have partitions, and go by models/usage-partitions.ts.
  {
    class: 'usage',
    table: 'usage_corrections',
    id: 'key::text',
    since: 'at',
    days: 'retention.usageDays',
    subjects: [],
  },
  // Sums are kept for ever, but not who was active on which day.
  {
    class: 'usage',
    table: 'usage_members',
    id: "series || '/' || day || '/' || member",
    since: "day::timestamp AT TIME ZONE 'UTC'",
    days: 'retention.usageDays',
    subjects: ['usage_members.member'],
  },
  {
    class: 'usage',
    table: 'key_networks',
    id: "key_id || ' ' || hour || ' ' || network",
    since: 'hour',
    // Compared with the week before.
    days: 8,
    subjects: ['key_networks.key_id'],
  },
  {
    class: 'usage',
    table: 'usage_restrictions',
    id: 'id',
    since: 'ended_at',
    days: 'retention.usageDays',
    subjects: ['usage_restrictions.scope_id'],
  },
  {
    class: 'usage',
    table: 'notifications',
    id: 'id',
    since: 'created_at',
    days: 90,
    subjects: ['notifications.owner_id'],
  },
  {
    class: 'usage',
    table: 'quota_crossings',
    id: "quota_id || ' ' || scope_id || ' ' || window_start || ' ' || threshold",
    since: 'resolved_at',
    days: 365,
    subjects: [],
  },
  {
    class: 'usage',
    table: 'quota_requests',
    id: 'id',
    since: 'ended_at',
    days: requestDays,
    subjects: ['quota_requests.owner_id'],
  },
  // What is reserved tells nobody anything a week after it ended; of parents, when their children are gone.
  {
    class: 'usage',
    table: 'quota_reservations',
    id: 'id',
    since: `CASE WHEN NOT EXISTS (SELECT FROM quota_reservations child WHERE child.parent_id = quota_reservations.id)
      THEN quota_reservations.ended_at END`,
    days: 7,
    subjects: [],
  },
  // Longer than the longest window; those without an end begin at the beginning of time.
  {
    class: 'usage',
    table: 'quota_counters',
    id: "quota_id || '/' || scope_id || '/' || window_start",
    since: 'CASE WHEN window_start > to_timestamp(0) THEN window_start END',
    days: 100,
    subjects: [],
  },
];
