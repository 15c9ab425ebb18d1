import type { Consumer, Consumers } from '../../policies/usage-report.ts';
import type { ShownReport } from '../usage-report.ts';
import { bar } from './chart.ts';
import { type Html, html } from './html.ts';
import { table } from './table.ts';
import { amountOf, moneyOf } from './words.ts';

/** By whom and by what it was used: the dearest, then all others, then what is nobody's, so that it adds up. */
const titles = {
  agents: ['Agents', 'no agent'],
  models: ['Models', 'no model'],
  workflows: ['Workflows', 'no workflow'],
  users: ['People', 'nobody: keys and other systems'],
  keys: ['API keys', 'no key'],
} as const;
type Which = keyof typeof titles;

export function consumers(report: ShownReport): Html {
  // The keys are those of titles; Object.keys forgets that.
  const shown = (Object.keys(titles) as Which[]).filter((name) => report.top[name].length > 0);
  return html`<section class="grid-2">${shown.map((which) => card(which, report))}</section>`;
}

const head = html`<tr><th>who</th><th class="share"></th><th>cost</th><th>tokens</th><th>runs</th><th>requests</th><th>per success</th></tr>`;

function card(which: Which, { names, cost: { currency }, top, rest }: ShownReport): Html {
  const [title, none] = titles[which];
  const all = top[which];
  // What it is ordered by, so that a bar says the same as the place it stands in.
  const said = currency === null ? amountOf : (minor: number) => moneyOf(minor, currency);
  const size = ({ costMinor, tokens }: Consumer) => costMinor ?? tokens;
  const most = Math.max(...all.map(size));
  const share = (each: Consumer) => (most > 0 ? size(each) / most : 0);
  const rows = all.map((each) => {
    const label = `${said(size(each))} of ${said(most)}`;
    const name = names[each.id] ?? html`<code title="${each.id}">${each.id}</code>`;
    return html`<tr><td>${name}</td><td class="share">${bar({ label, share: share(each), tone: 'plain' })}</td>${cells(each, currency)}</tr>`;
  });
  const { others, nobody } = rest[which];
  return html`<div class="card"><h3>${title}</h3>${table(title, [
    head,
    ...rows,
    others
      ? html`<tr class="soft"><td colspan="2">${others.count} more</td>${cells(others, currency)}</tr>`
      : html``,
    nobody ? html`<tr class="soft"><td colspan="2">${none}</td>${cells(nobody, currency)}</tr>` : html``,
  ])}</div>`;
}

const cells = (each: NonNullable<Consumers['nobody']>, currency: string | null): Html =>
  html`<td>${moneyOf(each.costMinor, currency)}</td><td>${amountOf(each.tokens)}</td><td>${amountOf(each.runs)}</td><td>${amountOf(each.apiCalls)}</td><td>${moneyOf(each.costPerSuccessfulRunMinor, currency)}</td>`;
