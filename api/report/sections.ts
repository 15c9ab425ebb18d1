import { changeOf } from '../../policies/usage-report.ts';
import type { ShownReport } from '../usage-report.ts';
import { spark, trendChart } from './chart.ts';
import { type Html, html } from './html.ts';
import { table } from './table.ts';
import { amountOf, changeInWords, dayOf, meterTitles, moneyOf, scaleOf, shareOf, unitOf } from './words.ts';

/** The parts of the page, in their order. */
type Meter = ShownReport['meters'][number];

const valuesOf = (report: ShownReport, name: Meter['meter']): Meter['values'] =>
  report.meters.find(({ meter }) => meter === name)?.values ?? [];

/** Whether less of it is better: of most that is used, more is neither good nor bad. */
function change(now: number | null, before: number | null, lessIsBetter?: true): Html {
  const by = changeOf(now, before);
  const tone = !lessIsBetter || by === null || by === 0 ? 'soft' : by < 0 ? 'better' : 'worse';
  return html`<span class="small ${tone}">${changeInWords(by)}</span>`;
}

type Figure = { title: string; value: string; below: Html; curve?: Html };
const figure = ({ title, value, below, curve }: Figure): Html =>
  html`<div class="card"><h3 class="soft">${title}</h3><div class="figure">${value}</div><p>${below}</p>${curve ?? ''}</div>`;

export function figures(report: ShownReport): Html {
  const { cost, efficiency, meters } = report;
  const total = (name: Meter['meter']) => meters.find(({ meter }) => meter === name);
  const [input, output, runs] = [total('tokens.input'), total('tokens.output'), total('runs')];
  const tokensBefore = (input?.previous ?? 0) + (output?.previous ?? 0);
  const tokens = valuesOf(report, 'tokens.input').map(
    (value, at) => (value ?? 0) + (valuesOf(report, 'tokens.output')[at] ?? 0),
  );
  const success = cost.ended > 0 ? cost.succeeded / cost.ended : null;
  const { now, before } = efficiency;
  const perRun = cost.perSuccessfulRunMinor;
  return html`<section class="grid-4">
${figure({ title: 'Runs', value: amountOf(runs?.total ?? 0), below: change(runs?.total ?? null, runs?.previous ?? null), curve: spark(valuesOf(report, 'runs')) })}
${figure({ title: 'Tokens', value: amountOf(cost.tokens), below: change(cost.tokens, tokensBefore), curve: spark(tokens) })}
${figure({ title: 'Runs that succeeded', value: shareOf(success), below: html`<span class="small soft">${amountOf(cost.succeeded)} of ${amountOf(cost.ended)} that ended</span>` })}
${figure({ title: 'Cost of a successful run', value: moneyOf(perRun, cost.currency), below: perRun === null ? html`<span class="small soft">Missing: ${cost.missing.join(' ')}</span>` : change(now.costPerSuccessfulRunMinor, before.costPerSuccessfulRunMinor, true) })}
</section>`;
}

export function trends(report: ShownReport): Html {
  const used = report.meters.filter(({ total, previous }) => (total ?? 0) !== 0 || (previous ?? 0) !== 0);
  if (used.length === 0) return html`<p class="card soft">Nothing was used in this time.</p>`;
  return html`<section class="grid-3">${used.map((each) => trend(each, report))}</section>`;
}

function trend(
  { meter, unit, about, total, previous, values, previousValues, corrections }: Meter,
  report: ShownReport,
): Html {
  const { buckets, zone, bucket } = report;
  const day = (at: number) => dayOf(buckets[at]?.from ?? report.from ?? '', zone, bucket);
  const at = (place: number) =>
    `${day(place)}: ${amountOf(values[place] ?? null, unit)} (before: ${amountOf(previousValues[place] ?? null, unit)})`;
  const scale = scaleOf(unit, Math.max(0, ...[...values, ...previousValues].map((value) => value ?? 0)));
  const told = {
    tick: (value: number) => amountOf(value, unit),
    at,
    ends: [day(0), day(buckets.length - 1)] as [string, string],
  };
  return html`<div class="card"><div class="head"><h3 title="${about}">${meterTitles[meter]}</h3>${change(total, previous)}</div>
<div class="head"><span><span class="total">${amountOf(total, unit)}</span> <span class="unit">${unitOf(unit)}</span></span><code>${meter}</code></div>
${trendChart({ label: `${meter}: ${about}`, values, before: previousValues, unit: scale, told })}
${corrections.readings > 0 ? html`<p class="small soft">and ${amountOf(corrections.readings)} readings that came too late (${amountOf(corrections.value, unit)})</p>` : ''}</div>`;
}

export function efficiency({ efficiency: { now, before }, plan: { currency } }: ShownReport): Html {
  const row = (title: string, key: keyof typeof now, said: (value: number | null) => string, less?: true) =>
    html`<tr><td>${title}</td><td>${said(now[key])}</td><td class="soft">${said(before[key])}</td><td>${change(now[key], before[key], less)}</td></tr>`;
  const rows = [
    row('Runs that failed', 'failedShare', shareOf, true),
    row('Runs ended by a rule or a limit', 'refusedShare', shareOf, true),
    row('Tokens read from a cache', 'cachedShare', shareOf),
    row('Tokens per successful run', 'tokensPerSuccessfulRun', (value) => amountOf(value), true),
    row('Cost per successful run', 'costPerSuccessfulRunMinor', (value) => moneyOf(value, currency), true),
  ];
  return html`<div class="card"><h3>Efficiency</h3>${table('Efficiency', html`<tr><th></th><th>now</th><th>before</th><th></th></tr>${rows}`)}</div>`;
}
