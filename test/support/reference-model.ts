import { freshSlug } from './tenants.ts';

/**
 * What Freehold should answer, said as simply as can be and without a line of the product: people, roles as lists of
 * rules, agents, and a rule that a deny beats an allow. No cache, no SQL, no compiled rights.
 */
export type ModelRule = {
  effect: 'allow' | 'deny';
  action: 'create' | 'read' | 'update' | 'delete';
  subject: 'Agent';
  when?: { ownerId?: 'me'; tags?: { any: string[] }; environment?: { any: string[] } };
};
export type ModelAgent = { id: string; tenant: number; owner: string; tags: string[]; environment: string };

const all = ['create', 'read', 'update', 'delete'] as const;
const allows = (actions: readonly ModelRule['action'][]): ModelRule[] =>
  actions.map((action) => ({ effect: 'allow', action, subject: 'Agent' }));

const builtIn: Record<string, ModelRule[]> = {
  owner: allows(all),
  builder: allows(all),
  viewer: allows(['read']),
  operator: allows(['read']),
  billing: [],
};

export class ReferenceModel {
  /** By person: tenant and roles. */
  readonly people = new Map<string, { tenant: number; roles: Set<string> }>();
  /** By tenant and name. */
  readonly roles = new Map<string, ModelRule[]>();
  readonly agents = new Map<string, ModelAgent>();

  private rulesOf(person: string): ModelRule[] {
    const { tenant, roles } = this.standing(person);
    return [...roles].flatMap((role) => builtIn[role] ?? this.roles.get(`${tenant} ${role}`) ?? []);
  }

  standing(person: string) {
    const found = this.people.get(person);
    if (!found) throw new Error(`nobody is ${person}`);
    return found;
  }

  may(person: string, action: ModelRule['action'], agent: Omit<ModelAgent, 'id'>): boolean {
    if (agent.tenant !== this.standing(person).tenant) return false;
    const about = this.rulesOf(person).filter(
      (rule) => rule.action === action && matches(rule, person, agent),
    );
    return about.some((rule) => rule.effect === 'allow') && about.every((rule) => rule.effect === 'allow');
  }

  /** Whether there is a way to such an agent at all: what a list as a whole is asked for. */
  private mayList(person: string): boolean {
    const rules = this.rulesOf(person).filter((rule) => rule.action === 'read');
    const denied = rules.some((rule) => rule.effect === 'deny' && !rule.when);
    return !denied && rules.some((rule) => rule.effect === 'allow');
  }

  list(person: string): { status: number; ids: string[] } {
    if (!this.mayList(person)) return { status: 403, ids: [] };
    const ids = [...this.agents.values()]
      .filter((agent) => this.may(person, 'read', agent))
      .map(({ id }) => id);
    return { status: 200, ids: ids.sort() };
  }

  /** Reading, changing or removing one agent: not there, not allowed, or done. */
  one(person: string, action: 'read' | 'update' | 'delete', id: string, done: number): number {
    const agent = this.agents.get(id);
    if (!agent || agent.tenant !== this.standing(person).tenant) return 404;
    if (this.may(person, action, agent)) return done;
    return this.may(person, 'read', agent) ? 403 : 404;
  }
}

function matches({ when = {} }: ModelRule, person: string, agent: Omit<ModelAgent, 'id'>): boolean {
  if (when.ownerId && agent.owner !== person) return false;
  if (when.tags && !when.tags.any.some((tag) => agent.tags.includes(tag))) return false;
  return !when.environment || when.environment.any.includes(agent.environment);
}

export const freshName = () => freshSlug('agent');
