import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { median, noise } from './statistics.ts';

/** One line of a bench: what was measured, against what, and what is allowed. */
export type Line = {
  what: string;
  unit: 'ms' | '/s' | 'µs' | 'MB' | 'req/s' | 'stale';
  values: number[];
  /** The line's floor; without one the line is a floor itself, or only there for comparison. */
  floor?: number[];
  /** Of the ratio to the floor, or of the value itself when there is no floor. */
  budget?: { atMost: number } | { atLeast: number };
};

type Verdict = 'pass' | 'falls short' | '';

export type Judged = {
  what: string;
  unit: string;
  median: number;
  best: number;
  noise: number;
  ratio: number | undefined;
  budget: string;
  verdict: Verdict;
};

export function judge({ what, unit, values, floor, budget }: Line): Judged {
  const rate = unit === '/s' || unit === 'req/s';
  const ratio = floor && median(values) / median(floor);
  const judged = ratio ?? median(values);
  return {
    what,
    unit,
    median: median(values),
    best: rate ? Math.max(...values) : Math.min(...values),
    noise: noise(values),
    ratio,
    budget: !budget ? '' : 'atMost' in budget ? `≤ ${budget.atMost}` : `≥ ${budget.atLeast}`,
    verdict: !budget ? '' : keeps(judged, budget) ? 'pass' : 'falls short',
  };
}

function keeps(value: number, budget: NonNullable<Line['budget']>): boolean {
  return 'atMost' in budget ? value <= budget.atMost : value >= budget.atLeast;
}

/** Prints the lines and keeps them, with the raw values, beside the bench. Answers whether all budgets are kept. */
export async function report(bench: string, lines: Line[], conditions: object = {}): Promise<boolean> {
  const judged = lines.map(judge);
  const shown = judged.map((row) => [
    row.what,
    `${digits(row.median)} ${row.unit}`,
    digits(row.best),
    `±${Math.round(row.noise * 100)} %`,
    row.ratio === undefined ? '' : `${row.ratio.toFixed(2)}×`,
    row.budget,
    row.verdict,
  ]);
  process.stdout.write(
    `\n${inColumns([['', 'median', 'best', 'noise', 'ratio', 'budget', ''], ...shown])}\n`,
  );
  const file = new URL(
    `results/${bench}-${new Date().toISOString().replaceAll(':', '-')}.json`,
    import.meta.url,
  );
  await mkdir(new URL('.', file), { recursive: true });
  const machine = {
    cpus: cpus().length,
    model: cpus()[0]?.model,
    memoryBytes: totalmem(),
    node: process.version,
  };
  await writeFile(
    file,
    `${JSON.stringify({ bench, machine, conditions, rows: judged, lines }, undefined, 2)}\n`,
  );
  return judged.every((row) => row.verdict !== 'falls short');
}

function digits(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

/** The first column is text and stands left, all others right. */
function inColumns(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => (at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0)))
        .join('  '),
    )
    .join('\n');
}
