import type { ShownReport } from '../usage-report.ts';
import { bar } from './chart.ts';
import { type Html, html } from './html.ts';
import { limitTitle, type ShownLimit } from './limit-title.ts';
import { table } from './table.ts';
import { amountOf, dayOf, momentOf, moneyOf, shareOf } from './words.ts';

/** What the plan gives and how much of it is used, and what to do about it. */
const limitTitles = {
  agents: 'Agents',
  seats: 'Seats',
  runs: 'Runs a month',
  tokens: 'Tokens a month',
  storageBytes: 'Storage',
} as const;

export function limits({ limits: all, names, zone, meters }: ShownReport): Html {
  if (!all || all.length === 0) return html``;
  return html`<h2>Limits</h2><section class="grid-3">${all.map((each) => {
    const share = each.amount > 0 ? each.used / each.amount : 1;
    const unit = each.meter === 'storage.bytes' ? 'bytes' : '';
    const tone = share >= 1 ? 'over-limit' : share >= 0.8 ? 'warn' : 'plain';
    // Of storage the ledger knows nothing before it is measured for the first time.
    const unmeasured =
      unit !== '' &&
      each.used === 0 &&
      meters.every(({ meter, total }) => meter !== each.meter || total === null);
    const used = `${unmeasured ? 'not measured yet,' : amountOf(each.used, unit)} of ${amountOf(each.amount, unit)}`;
    const held = each.reserved > 0 ? `, ${amountOf(each.reserved, unit)} reserved` : '';
    const reserved = each.amount > 0 ? each.reserved / each.amount : 0;
    const until = each.resetsAt ? `counts until ${momentOf(each.resetsAt, zone)}` : 'at this moment';
    return html`<div class="card"><div class="head"><h3>${limitTitle(each, names)}</h3><span class="small soft">${shareOf(unmeasured ? null : share)}</span></div>
<p class="small">${used}${held}</p>${bar({ label: used, share, tone, reserved })}
<p class="small soft">${outlookOf(each, zone)}${until}</p></div>`;
  })}</section>`;
}

function outlookOf({ exhausted, exhaustedAt }: ShownLimit, zone: string) {
  if (exhausted) return html`<strong class="worse">used up</strong>; `;
  if (!exhaustedAt) return '';
  return html`<strong class="worse">used up on ${momentOf(exhaustedAt, zone)}</strong> if it goes on like this; `;
}

export function advice(report: ShownReport): Html {
  const { rightSizing, idle } = report;
  if (!rightSizing || !idle) return html``;
  return html`<h2>What it could cost</h2><section class="grid-2">${plans(report)}${idleQuota(report)}</section>`;
}

function plans({ rightSizing, plan }: ShownReport): Html {
  if (!rightSizing) return html``;
  const { proposed, compared, missing, current } = rightSizing;
  const said = proposed
    ? html`<p class="figure">${moneyOf(proposed.savingMinor, plan.currency ?? 'EUR')} less a month</p>
<p>The plan <strong>${proposed.title}</strong> would have held what was used in the last whole months, at ${moneyOf(proposed.monthMinor, 'EUR')} a month.</p>`
    : html`<p>${current ? html`<strong>${current.title}</strong> is the plan on which the last whole months cost least.` : 'There is nothing to propose yet.'}</p>`;
  const rows = compared.map(
    (each) =>
      html`<tr><td>${each.title}${each.name === plan.name ? ' (yours)' : ''}</td><td>${moneyOf(each.monthMinor, 'EUR')}</td></tr>`,
  );
  return html`<div class="card callout"><h3>The right plan</h3>${said}
${compared.length > 0 ? table('Plans', html`<tr><th>plan</th><th>a month, as it was used</th></tr>${rows}`) : ''}
${missing.map((each) => html`<p class="small soft">Missing: ${each}</p>`)}</div>`;
}

function idleQuota({ idle, names, plan }: ShownReport): Html {
  if (!idle) return html``;
  const rows = idle.limits.map((each) => {
    const unit = each.limit === 'storageBytes' ? 'bytes' : '';
    const used = `${amountOf(each.used, unit)} of ${amountOf(each.amount, unit)}`;
    return html`<tr><td>${limitTitles[each.limit]}</td><td class="share">${bar({ label: used, share: 1 - each.idleShare, tone: 'plain' })}</td>
<td>${used}</td><td>${shareOf(each.idleShare)}</td><td>${moneyOf(each.worthMinor, plan.currency)}</td></tr>`;
  });
  const months = idle.months.map((month) => dayOf(month, 'UTC').replace(/^\d+ /, '')).join(', ');
  const { count, ids } = idle.agents;
  const worth = idle.limits.reduce((sum, { worthMinor }) => sum + (worthMinor ?? 0), 0);
  const paid = plan.monthMinor ?? 0;
  return html`<div class="card"><h3>Paid for and not used</h3>
${rows.length > 0 && paid > 0 ? html`<p class="figure">${moneyOf(worth, plan.currency)} <span class="small soft">of ${moneyOf(paid, plan.currency)} a month</span></p>` : ''}
${rows.length > 0 ? html`${table('Paid for and not used', html`<tr><th>limit</th><th class="share"></th><th>used at most</th><th>idle</th><th>of the price</th></tr>${rows}`)}<p class="small soft">Used at most in a month of ${months}. The plan’s price is shared out over its limits by what as much would cost beyond the plan.</p>` : html`<p class="small soft">No whole month of use yet.</p>`}
${count > 0 ? html`<p class="small">${count} ${count === 1 ? 'agent' : 'agents'} did nothing in this time: ${ids.map((id) => names[id] ?? id).join(', ')}${count > ids.length ? ' …' : ''}</p>` : ''}</div>`;
}
