import type { Row } from '../models/batch.ts';
import type { Keyring } from '../models/keyring.ts';
import { systemTenantId } from '../models/system/tenant.ts';
import { withNames } from '../models/tenant/person.ts';
import { authorize, type Subject, type Verdict } from '../policies/authorize.ts';
import type { SubjectType } from '../policies/permission.ts';
import { permissions } from '../policies/permissions.ts';
import { Refusal } from '../policies/refusal.ts';
import { rulesAbout } from '../policies/rights.ts';
import { factsOf } from '../policies/rule.ts';
import type { Known } from './principal.ts';
import type { Incoming, Permitted, Shape } from './route.ts';

/** Where the API asks CASL: about the object that was loaded, the one about to be made, or a list as a whole. */
export type Found = { row: Row; rows: Row[] };

/** What was loaded as a handler sees it: people by their names. CASL needs none of them. */
export function opened(keyring: Keyring, { rows }: Found): Found {
  const named = withNames(keyring, rows);
  return { rows: named, row: named[0] ?? {} };
}

type Asked = Permitted & { method: string; params?: Shape; load?: unknown };

/**
 * With path parameters the first row is the object. One that is not there is answered as one that may not be seen,
 * whatever else the asker may do: a rule that hides some objects must not be found out by the ids of others. A list
 * is allowed to whoever may read some such objects; which ones, its SQL says.
 */
export function permitted(
  asked: Asked,
  found: { rows: Row[]; made?: Record<string, unknown> | undefined },
  known: Known,
  incoming: Incoming,
): { found: Found; rule: string } {
  const operators = isOperator(known) ? asked.permitOperators : undefined;
  const spec = operators ? { ...asked, permit: operators } : asked;
  const { rows, made } = found;
  const [row = {}] = rows;
  const one = spec.params !== undefined && spec.load !== undefined;
  const id = one ? String(row.id) : undefined;
  if (spec.method === 'get' && spec.params === undefined)
    return { found: { row, rows }, rule: some(spec, known, incoming) };
  if (one && rows.length === 0) {
    judge(known, { permit: spec.permit, object: {}, id: '' }, incoming);
    throw nothingThere();
  }
  const rule = decide(known, { permit: spec.permit, object: made ?? (one ? row : {}), id }, incoming);
  return { found: { row, rows }, rule };
}

/** Whether there may be such objects at all for whoever asks. */
function some(spec: Asked, known: Known, incoming: Incoming): string {
  const [action, type] = spec.permit;
  const { rights } = known;
  const allowed =
    rights.ability.can(action, type) && (!rights.bound || rights.bound.ability.can(action, type));
  if (!allowed) return decide(known, { permit: spec.permit, object: {} }, incoming);
  const rule = rights.ability.relevantRuleFor(action, type);
  return rule?.reason ?? `may ${action} ${type}`;
}

type Question = { permit: Permitted['permit']; object: Subject['object']; id?: string | undefined };

/** Answers the rule that allows it; otherwise throws 404 or 403, and has the refusal recorded once all is rolled back. */
export function decide(known: Known, asked: Question, incoming: Incoming): string {
  const verdict = judge(known, asked, incoming);
  if (verdict.allowed) return verdict.rule;
  if (!verdict.visible && asked.id !== undefined) throw nothingThere();
  throw new Refusal('forbidden', whyForbidden(known, asked.permit));
}

function judge({ rights, ids }: Known, { permit, object, id }: Question, incoming: Incoming): Verdict {
  const [action, type] = permit;
  const verdict = authorize(rights, action, { type, object, ids });
  if (!verdict.allowed) {
    const considered = rulesAbout(rights, action, type);
    incoming.refused = { permit, facts: factsOf(object, ids), id, rule: verdict.rule, considered };
  }
  return verdict;
}

const isOperator = ({ principal }: Known): boolean => principal.tenantId === systemTenantId;

/** Where operators find what has another address for them. */
const forOperators: Partial<Record<SubjectType, string>> = {
  Quota: '/v1/tenants/{tenantId}/quotas',
  QuotaRequest: '/v1/platform/quota-requests',
  Usage: '/v1/tenants/{tenantId}/usage',
  UsageRestriction: '/v1/tenants/{tenantId}/usage-restrictions',
};
const pointed = (type: SubjectType): string =>
  forOperators[type] ? ` Operators find it at GET ${forOperators[type]}.` : '';

/** Most who are refused are on the wrong side: operators at a tenant's routes, tenants' people at the platform's. */
function whyForbidden(known: Known, [action, type]: Permitted['permit']): string {
  const operator = isOperator(known);
  const scope = permissions.find((row) => row.action === action && row.subject === type)?.scope;
  if (operator && scope === 'tenant')
    return `This is for members of an organisation; you are an operator of the platform.${pointed(type)}`;
  if (!operator && scope === 'platform')
    return 'This is for operators of the platform; you are a member of an organisation.';
  return `You may not ${action} this ${type}; “explanation” leads to why, and who can change it.`;
}

function nothingThere(): Refusal {
  return new Refusal('not-found', 'There is nothing at this address.');
}
