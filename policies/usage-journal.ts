import { z } from 'zod';
import { ownSource, type Reading } from '../models/tenant/usage.ts';
import { type Dimensions, dimensions, meterNames } from './meters.ts';

/**
 * What stands in a usage journal (models/usage-journal.ts), and what readings become of a file of it. The same file gives
 * the same readings under the same ids, whoever reads it and however often: so its readings are taken once.
 */
const text = z.string().min(1);
const used = z.strictObject({
  meter: z.enum(meterNames),
  value: z.number(),
  member: text.optional(),
  agentId: text.optional(),
  workflowId: text.optional(),
  userId: text.optional(),
  keyId: text.optional(),
  model: text.optional(),
  kind: text.optional(),
} satisfies Record<'meter' | 'value' | 'member' | keyof Dimensions, z.ZodType>);
const journalLine = z.strictObject({ tenantId: text, at: z.int(), used: z.array(used) });

/** Of one act: ids, counts and words of ours only. `at` is in milliseconds since 1970. */
export type JournalLine = z.infer<typeof journalLine>;
export type Used = z.infer<typeof used>;

export const written = (line: JournalLine): string => `${JSON.stringify(line)}\n`;

export type Journal = { readings: Map<string, Reading[]>; unreadable: number };

/**
 * By tenant, one reading for each series and minute, so that none reaches over the end of an hour, a day or a limit's
 * window. A last line without its end was never answered for: its process was killed while it wrote.
 */
export function readingsIn(file: string, content: string): Journal {
  const sums = new Map<string, Map<string, Reading>>();
  let unreadable = 0;
  let number = 0;
  for (const line of content.split('\n').slice(0, -1)) {
    const parsed = lineIn(line);
    if (!parsed) {
      unreadable += 1;
      continue;
    }
    const { tenantId, at } = parsed;
    const ofTenant = sums.get(tenantId) ?? new Map<string, Reading>();
    sums.set(tenantId, ofTenant);
    for (const one of parsed.used) {
      const key = seriesOf(one, Math.floor(at / 60_000));
      const known = ofTenant.get(key);
      if (!known)
        ofTenant.set(key, { ...one, source: ownSource, id: `journal/${file}/${number++}`, at: new Date(at) });
      else if (one.member === undefined) known.value += one.value;
    }
  }
  return { readings: mapped(sums), unreadable };
}

function lineIn(line: string): JournalLine | undefined {
  try {
    return journalLine.parse(JSON.parse(line));
  } catch {
    // Half a line, where a disk was full: counted, and told by whoever reads.
    return undefined;
  }
}

const seriesOf = (one: Used, minute: number): string =>
  [minute, one.meter, one.member, ...dimensions.map((name) => one[name])].join(' ');

const mapped = (sums: Map<string, Map<string, Reading>>): Map<string, Reading[]> =>
  new Map([...sums].map(([tenantId, readings]) => [tenantId, [...readings.values()].map(rounded)]));

/** Sums of seconds have no more digits than a microsecond; sums of counts are whole. */
const rounded = (reading: Reading): Reading => ({
  ...reading,
  value: Math.round(reading.value * 1e6) / 1e6,
});
