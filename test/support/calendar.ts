import type { BucketSize } from '../../policies/usage-buckets.ts';

/** Zones that are hard to count in, and moments at which something happens to their calendars. */
export const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns',
  'Asia/Kathmandu',
  'Asia/Kolkata',
  'Pacific/Chatham',
  'Pacific/Kiritimati',
  'Australia/Lord_Howe',
  'Africa/Cairo',
];

export const moments = [
  '2024-02-28T12:00:00Z',
  '2024-02-29T23:59:59Z',
  '2025-03-30T01:00:00Z',
  '2025-03-09T07:00:00Z',
  '2025-04-05T14:00:00Z',
  '2025-04-25T00:00:00Z',
  '2025-09-27T14:00:00Z',
  '2025-10-26T01:00:00Z',
  '2025-10-30T21:00:00Z',
  '2025-11-02T06:00:00Z',
  '2025-12-31T23:30:00Z',
].map((text) => Date.parse(text));

/** Which day, week or month of a zone a moment belongs to, by the clock on its wall. */
export function calendarKey(bucket: Exclude<BucketSize, 'hour'>, zone: string): (at: number) => string {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  return (at) => {
    const date = format.format(at);
    if (bucket === 'day') return date;
    if (bucket === 'month') return date.slice(0, 7);
    const day = new Date(`${date}T00:00:00Z`);
    day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7));
    return day.toISOString().slice(0, 10);
  };
}
