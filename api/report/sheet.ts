import { stringify } from 'csv-stringify/sync';
import { unitOf } from '../../policies/quotas.ts';
import type { ShownReport } from '../usage-report.ts';
import { limitTitle, type ShownLimit } from './limit-title.ts';

/**
 * A report as a spreadsheet reads it: one line for each number, with what it is of. Names are of people's choosing, so what
 * a spreadsheet would take for a formula is made text.
 */
const columns = ['part', 'id', 'name', 'what', 'unit', 'window', 'from', 'until', 'value', 'before'] as const;
type Line = Partial<Record<(typeof columns)[number], string | number | null>>;

export const sheetHeaders = (report: ShownReport) => ({
  'Content-Type': 'text/csv; charset=utf-8; header=present',
  'Content-Disposition': `attachment; filename="usage-${(report.from ?? '').slice(0, 10)}.csv"`,
});

export function reportSheet(report: ShownReport): string {
  const lines = [...totals(report), ...limits(report), ...trend(report), ...top(report), ...advice(report)];
  const dated = lines.map(({ value, before, ...line }) => ({
    ...{ from: report.from, until: report.until, ...line },
    ...{ value: plain(value), before: plain(before) },
  }));
  // The mark at its beginning tells Excel that it is UTF-8.
  return stringify(dated, {
    header: true,
    columns: [...columns],
    escape_formulas: true,
    bom: true,
    record_delimiter: 'windows',
  });
}

function totals({ meters, efficiency }: ShownReport): Line[] {
  const shares = Object.entries(efficiency.now).map(([what, value]): Line => {
    const before = Object.entries(efficiency.before).find(([name]) => name === what)?.[1] ?? null;
    return { part: 'efficiency', what, value, before };
  });
  return [
    ...meters.map(
      ({ meter, unit, total, previous }): Line => ({
        ...{ part: 'total', what: meter, unit, value: total, before: previous },
      }),
    ),
    ...meters
      .filter(({ corrections }) => corrections.readings > 0)
      .map(
        ({ meter, unit, corrections }): Line => ({
          part: 'correction',
          what: meter,
          unit,
          value: corrections.value,
        }),
      ),
    ...shares,
  ];
}

/** As a decimal without an exponent, as finely as any unit here is priced. */
const plain = (value: Line['value']): Line['value'] =>
  typeof value === 'number' ? Number(value.toFixed(6)) : value;

const limits = ({ limits: all, names }: ShownReport): Line[] =>
  (all ?? []).flatMap((limit) => {
    const { id, meter, amount, used, reserved, resetsAt, exhaustedAt } = limit;
    const counts = { window: windowOf(limit), from: null, until: resetsAt };
    const of = { part: 'limit', id, name: limitTitle(limit, names), unit: unitOf(meter), ...counts };
    return [
      { ...of, what: 'amount', value: amount },
      { ...of, what: 'used', value: used },
      { ...of, what: 'reserved', value: reserved },
      ...(exhaustedAt ? [{ ...of, what: 'used up', unit: 'time', value: exhaustedAt }] : []),
    ];
  });

const windowOf = ({ window, windowMinutes }: ShownLimit): string =>
  windowMinutes === null ? window : `${window}, ${windowMinutes} minutes`;

const trend = ({ meters, buckets }: ShownReport): Line[] =>
  meters.flatMap(({ meter, unit, values, previousValues }) =>
    buckets.map(
      ({ from, until }, at): Line => ({
        ...{ part: 'trend', what: meter, unit, from, until, value: values[at] ?? null },
        before: previousValues[at] ?? null,
      }),
    ),
  );

/** What others used, and what is nobody's, has no id. */
const top = ({ top: all, rest, names }: ShownReport): Line[] =>
  // The keys of top and rest are the same; Object.keys forgets them.
  (Object.keys(all) as (keyof typeof all)[]).flatMap((part) => {
    const { others, nobody } = rest[part];
    return [
      ...all[part].map(({ id, ...amounts }) => ({ id, name: names[id] ?? '', amounts })),
      ...(others ? [{ id: '', name: 'others', amounts: others }] : []),
      ...(nobody ? [{ id: '', name: 'nobody', amounts: nobody }] : []),
    ].flatMap(({ id, name, amounts }) =>
      Object.entries(amounts).map(([what, value]): Line => ({ part, id, name, what, value })),
    );
  });

function advice({ idle, rightSizing }: ShownReport): Line[] {
  return [
    ...(idle?.limits ?? []).flatMap(({ limit, idle: amount, worthMinor }): Line[] => [
      { part: 'idle', what: limit, value: amount },
      { part: 'idle', what: limit, unit: 'minor', value: worthMinor },
    ]),
    ...(rightSizing?.compared ?? []).map(
      ({ name, title, monthMinor }): Line => ({
        ...{ part: 'plan', id: name, name: title, what: 'a month', unit: 'minor', value: monthMinor },
      }),
    ),
    ...(rightSizing?.proposed
      ? [
          {
            part: 'proposal',
            id: rightSizing.proposed.name,
            what: 'saving',
            unit: 'minor',
            value: rightSizing.proposed.savingMinor,
          },
        ]
      : []),
  ];
}
