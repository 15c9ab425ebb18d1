import type { Request } from 'express';
import { schemaOf } from '../../models/ids.ts';
import { readInSystem } from '../../models/scope.ts';
import { tenantById } from '../../models/system/tenant.ts';
import { namesOf } from '../../models/tenant/usage-names.ts';
import { readReport } from '../../models/tenant/usage-report.ts';
import { meterNames } from '../../policies/meters.ts';
import { planAt } from '../../policies/plans.ts';
import { pageHeaders, reportPage } from '../report/page.ts';
import { reportSheet, sheetHeaders } from '../report/sheet.ts';
import type { Answer, Route } from '../route.ts';
import { tenantRead } from '../tenant-route.ts';
import { keptOf, refuseForgotten, tooManyPoints } from '../usage-query.ts';
import { reportOf, type ShownReport } from '../usage-report.ts';
import { type Form, forms, reportAsked, reportQuery } from '../usage-report-query.ts';
import { usageReport } from '../usage-report-shape.ts';

const asked = tenantRead({
  method: 'get',
  path: '/usage/report',
  tag: 'Usage',
  summary:
    'How the organisation used what it has: trends, limits, cost, efficiency and the right plan; a page and a sheet too',
  permit: ['read', 'Usage'],
  query: reportQuery,
  answers: { 200: usageReport },
  alsoAs: ['text/csv', 'text/html'],
  withoutKey: true,
  load: ({ tenantId }) => ({
    text: `SELECT plan, plan_version FROM ${schemaOf(tenantId)}.tenant`,
    values: [],
  }),
  handle: async ({ query, place, rights, ids, row, tenantId }) => {
    const of = reportAsked(query);
    const { now } = of.period;
    const all = { meters: meterNames, groupBy: [], filter: {}, now };
    await refuseForgotten(place, { ...all, bounds: of.bounds });
    // The time before may be further back than readings are kept: what needs them is then compared with nothing.
    const { kept } = await keptOf(place, { ...all, bounds: of.previousBounds });
    const facts = await readReport(place, { rights, ids }, { ...of, comparable: kept, now });
    if (!facts) throw tooManyPoints();
    const [found] = await readInSystem(tenantId, [tenantById(tenantId)]);
    const plan = planAt(String(row.plan), Number(row.plan_version));
    const report = reportOf({ id: tenantId, name: String(found?.[0]?.name), plan }, of, facts);
    const shown = [
      ...Object.values(report.top)
        .flat()
        .map(({ id }) => id),
      ...(report.idle?.agents.ids ?? []),
      ...(report.limits ?? []).map(({ scopeId }) => scopeId),
    ];
    const names = await namesOf(place, { rights, ids }, shown);
    const body: ShownReport = { ...report, names, links: linksOf(report) };
    return { status: 200, body };
  },
});

function linksOf({ from, until, zone }: { from: string | null; until: string | null; zone: string }) {
  const period = new URLSearchParams({ from: from ?? '', until: until ?? '', zone }).toString();
  // Both may stand in a query as they are, and people read them.
  const readable = period.replaceAll('%3A', ':').replaceAll('%2F', '/');
  return {
    page: `/v1/usage/report?${readable}&format=html`,
    sheet: `/v1/usage/report?${readable}&format=csv`,
    series: `/v1/usage?${readable}`,
    limits: '/v1/quotas',
    more: '/v1/quota-requests',
  };
}

export const readUsageReport: Route = {
  ...asked,
  serve: async (incoming) => inForm(await asked.serve(incoming), formOf(incoming.request)),
};

/** The query was judged before; what is no form there did not come this far. */
function formOf(request: Request): Form {
  const named = forms.find((form) => form === request.query.format);
  const preferred = request.accepts([...forms]);
  return named ?? forms.find((form) => form === preferred) ?? 'json';
}

function inForm({ body, ...answer }: Answer, form: Form): Answer {
  const report = body as ShownReport; // what the route above answers
  if (form === 'json') return { ...answer, body };
  const [headers, text] =
    form === 'csv' ? [sheetHeaders(report), reportSheet(report)] : [pageHeaders, reportPage(report)];
  return {
    ...answer,
    headers,
    stream: async (response) => {
      response.end(text);
    },
  };
}
