import type { MeterName } from '../../policies/meters.ts';

/** Numbers, amounts and times as a page for people says them. */
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });
const small = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

const none = '–';
const binary = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function amountOf(value: number | null, unit = ''): string {
  if (value === null) return none;
  if (unit === 'bytes') return bytesOf(value);
  if (unit === 'seconds') return secondsOf(value);
  return Math.abs(value) >= 10_000 ? short.format(value) : plainly(value);
}

/** The least an axis goes to; what is less is there, and too little to be drawn. */
export const leastShown = 0.001;

/** What is not nothing is never said to be 0. */
function plainly(value: number): string {
  const size = Math.abs(value);
  if (size > 0 && size < leastShown) return `< ${leastShown}`;
  return size < 1 ? small.format(value) : fine.format(value);
}

/** The unit, where the amount does not bring its own. */
export const unitOf = (unit: string): string => (unit === 'bytes' || unit === 'seconds' ? '' : unit);

function bytesOf(value: number): string {
  const power = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), binary.length - 1);
  return `${fine.format(value / 1024 ** power)} ${binary[power]}`;
}

function secondsOf(value: number): string {
  if (value < 120) return `${plainly(value)} s`;
  if (value < 7_200) return `${fine.format(value / 60)} min`;
  return `${amountOf(Math.round(value / 360) / 10)} h`;
}

/** Minor units; below a hundredth of the currency as many digits as it takes to see something. */
export function moneyOf(minor: number | null, currency: string | null): string {
  if (minor === null || currency === null) return none;
  const major = minor / 100;
  const digits =
    major !== 0 && Math.abs(major) < 0.1
      ? { minimumSignificantDigits: 2, maximumSignificantDigits: 2 }
      : { maximumFractionDigits: 2 };
  return new Intl.NumberFormat('en', { style: 'currency', currency, ...digits }).format(major);
}

/** As finely as it says something: of what is many times the whole, how many times. */
export function shareOf(share: number | null): string {
  if (share === null) return none;
  if (share >= 10) return `${whole.format(share)} times`;
  if (share >= 1) return `${whole.format(share * 100)} %`;
  return `${share < 0.1 ? plainly(share * 100) : fine.format(Math.round(share * 1000) / 10)} %`;
}

/** Round numbers of a unit are not round ones of what it counts in: an axis goes by what is written on it. */
export function scaleOf(unit: string, most: number): number {
  if (unit === 'bytes')
    return 1024 ** Math.min(Math.floor(Math.log2(Math.max(most, 1)) / 10), binary.length - 1);
  if (unit !== 'seconds') return 1;
  return most < 120 ? 1 : most < 7_200 ? 60 : 3_600;
}

export const meterTitles: Record<MeterName, string> = {
  'tokens.input': 'Tokens read',
  'tokens.output': 'Tokens written',
  'tokens.cached': 'Tokens from a cache',
  'tokens.reasoning': 'Tokens of reasoning',
  runs: 'Runs started',
  'runs.ended': 'Runs ended',
  'runs.concurrent': 'Runs at once',
  steps: 'Steps of runs',
  'tool-calls': 'Calls of tools',
  'api-calls': 'Requests',
  'storage.bytes': 'Storage',
  'compute.worker-seconds': 'Worker time',
  'compute.database-seconds': 'Database time',
  'egress.bytes': 'Sent outside',
  seats: 'Seats',
  agents: 'Agents',
  'users.active': 'Active people and keys',
};

export function changeInWords(change: number | null): string {
  if (change === null) return 'nothing to compare with';
  if (Math.abs(change) < 0.0005) return 'as before';
  if (change >= 10) return `▲ ${whole.format(change + 1)} times as much`;
  return `${change > 0 ? '▲ +' : '▼ '}${fine.format(Math.round(change * 1000) / 10)} %`;
}

export function dayOf(moment: string, zone: string, bucket = 'day'): string {
  const withHour =
    bucket === 'hour' ? ({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const) : {};
  return new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    ...withHour,
  }).format(new Date(moment));
}

export const momentOf = (moment: string, zone: string): string => `${dayOf(moment, zone, 'hour')} (${zone})`;
