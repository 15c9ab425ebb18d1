import { scaleLinear } from 'd3-scale';
import { area, line } from 'd3-shape';
import { type Html, html } from './html.ts';
import { leastShown } from './words.ts';

/**
 * Drawings as inline SVG without a script: scales and paths are d3's, which need no browser; colours are classes, so that
 * the page's style gives them in light, in dark and on paper. What a value is stands in a title over it.
 */
type Values = readonly (number | null)[];
type Trend = {
  label: string;
  values: Values;
  before: Values;
  /** In which an axis is round. */
  unit: number;
  /** What a tick, a value and a bucket are called. */
  told: { tick: (value: number) => string; at: (place: number) => string; ends: [string, string] };
};

const size = { width: 420, height: 150, left: 52, right: 8, top: 10, bottom: 22 };

export function trendChart({ label, values, before, unit, told }: Trend): Html {
  const most = Math.max(unit * leastShown * 4, ...[...values, ...before].map((value) => value ?? 0));
  const units = scaleLinear([0, most / unit], [size.height - size.bottom, size.top]).nice(3);
  const y = (value: number) => units(value / unit);
  const x = scaleLinear([0, Math.max(values.length - 1, 1)], [size.left, size.width - size.right]);
  const known = (value: number | null): value is number => value !== null;
  const place = (_: number | null, at: number) => x(at);
  const curve = line<number | null>(place, (value) => y(value ?? 0)).defined(known);
  const shade = area<number | null>(place, y(0), (value) => y(value ?? 0)).defined(known);
  const width = (size.width - size.left - size.right) / Math.max(values.length, 1);
  return html`<svg class="trend" viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${label}">
${units
  .ticks(3)
  .map((tick) => tick * unit)
  .map(
    (
      tick,
    ) => html`<line class="grid" x1="${size.left}" x2="${size.width - size.right}" y1="${round(y(tick))}" y2="${round(y(tick))}"/>
<text class="tick" x="${size.left - 6}" y="${round(y(tick) + 3.5)}" text-anchor="end">${told.tick(tick)}</text>`,
  )}
<path class="shade" d="${path(shade([...values]))}"/>
<path class="before" d="${path(curve([...before.slice(0, Math.max(values.length, 1))]))}"/>
<path class="now" d="${path(curve([...values]))}"/>
${alone(values).map(([at, value]) => html`<circle class="dot" cx="${round(x(at))}" cy="${round(y(value))}" r="3"/>`)}
<text class="tick" x="${size.left}" y="${size.height - 6}">${told.ends[0]}</text>
<text class="tick" x="${size.width - size.right}" y="${size.height - 6}" text-anchor="end">${told.ends[1]}</text>
${values.map(
  (_, at) =>
    html`<rect class="over" x="${round(x(at) - width / 2)}" y="${size.top}" width="${round(width)}" height="${size.height - size.top - size.bottom}"><title>${told.at(at)}</title></rect>`,
)}
</svg>`;
}

/** Values between two that are not known: a line has nowhere to go from them. */
const alone = (values: Values): [number, number][] =>
  values.flatMap((value, at): [number, number][] => {
    const unknown = [values[at - 1] ?? null, values[at + 1] ?? null].every((next) => next === null);
    return value !== null && unknown ? [[at, value]] : [];
  });

const round = (value: number): number => Math.round(value * 100) / 100;
const path = (drawn: string | null): string =>
  (drawn ?? '').replaceAll(/\d+\.\d{3,}/g, (text) => String(round(Number(text))));

type Bar = {
  label: string;
  share: number;
  tone: 'plain' | 'warn' | 'over-limit';
  reserved?: number;
  mark?: number;
};

/** A share of a whole, with what is reserved on top of it. */
export function bar({ label, share, tone, reserved = 0 }: Bar): Html {
  const width = 200;
  const used = Math.min(Math.max(share, 0), 1) * width;
  const held = Math.min(Math.max(reserved, 0) * width, width - used);
  return html`<svg class="bar" viewBox="0 0 ${width} 8" preserveAspectRatio="none" role="img" aria-label="${label}"><title>${label}</title>
<rect class="track" width="${width}" height="8" rx="4"/><rect class="${tone}" width="${round(used)}" height="8" rx="4"/>
${held > 0 ? html`<rect class="held" x="${round(used)}" width="${round(held)}" height="8"/>` : ''}</svg>`;
}

/** A curve as high as a line of text. */
export function spark(values: Values): Html {
  const most = Math.max(1e-9, ...values.map((value) => value ?? 0));
  const y = scaleLinear([0, most], [26, 2]);
  const x = scaleLinear([0, Math.max(values.length - 1, 1)], [1, 119]);
  const curve = line<number | null>(
    (_, at) => x(at),
    (value) => y(value ?? 0),
  ).defined((value) => value !== null);
  return html`<svg class="spark" viewBox="0 0 120 28" preserveAspectRatio="none" aria-hidden="true"><path class="now" d="${path(curve([...values]))}"/></svg>`;
}
