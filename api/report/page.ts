import { readFileSync } from 'node:fs';
import { digest } from '../../models/secrets.ts';
import type { ShownReport } from '../usage-report.ts';
import { advice, limits } from './advice.ts';
import { consumers } from './consumers.ts';
import { html, raw } from './html.ts';
import { efficiency, figures, trends } from './sections.ts';
import { dayOf, momentOf } from './words.ts';

/**
 * A report as one page that needs nothing else: no script, no font, no picture from anywhere. It can be kept, sent and
 * printed. Its style is named by its hash, so that nothing else could bring one in.
 */
const style = readFileSync(new URL('page.css', import.meta.url), 'utf8');
const styleHash = Buffer.from(digest(style), 'hex').toString('base64');
const policy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'`;
// What cannot be said in the page itself.
export const pageHeaders = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': `${policy}; frame-ancestors 'none'`,
  'Referrer-Policy': 'no-referrer',
};

const linkTitles: Record<string, string> = {
  page: 'This page',
  sheet: 'As a sheet',
  series: 'As series',
  limits: 'Limits',
  more: 'Ask for more',
};

export function reportPage(report: ShownReport): string {
  const { organisation, plan, zone } = report;
  const [from, until] = [report.from ?? '', report.until ?? ''];
  const lastDay = new Date(Date.parse(until) - 1).toISOString();
  const period = `${dayOf(from, zone)} – ${dayOf(lastDay, zone)}`;
  const before = `${dayOf(report.previous.from ?? '', zone)} – ${dayOf(new Date(Date.parse(report.previous.until ?? '') - 1).toISOString(), zone)}`;
  return html`${raw('<!doctype html>')}
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Usage of ${organisation.name}, ${period}</title>
<style>${raw(style)}</style>
</head>
<body>
<main>
<header>
<div><p class="soft">Usage report</p><h1>${organisation.name}</h1></div>
<p class="soft">${period}, ${zone}<br><span class="small">compared with ${before} · plan ${plan.title}</span></p>
</header>
${figures(report)}
${limits(report)}
<h2>What was used</h2>
${trends(report)}
<h2>By whom and by what</h2>
${consumers(report)}
<h2>How well it was used</h2>
<section class="grid-2">${efficiency(report)}</section>
${advice(report)}
<footer>
<p>Everything used until ${momentOf(report.takenUntil ?? until, zone)} is in this report. Dashed lines are the time before. Costs value tokens and runs at the plan’s prices for more of them, without tax.</p>
<p>The same elsewhere, and what to do about it:</p>
<dl>${Object.entries(report.links).map(([name, path]) => html`<dt>${linkTitles[name] ?? name}</dt><dd><code>${path}</code></dd>`)}</dl>
</footer>
</main>
</body>
</html>
`.markup;
}
