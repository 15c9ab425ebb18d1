import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Act, act } from '../support/acts.ts';
import { type KeyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { freshName, type ModelRule, ReferenceModel } from '../support/reference-model.ts';
import { type Member, member } from '../support/tenants.ts';

const assignable = ['builder', 'viewer', 'operator', 'billing', 'one', 'two'];
const ownRoles = ['one', 'two'];
const atFirst: ModelRule[] = [{ effect: 'allow', action: 'read', subject: 'Agent' }];

describe('several people of three tenants', () => {
  let tenants: Member[];
  let acts = 0;
  const statuses = new Map<string, number>();

  before(async function () {
    this.timeout(60_000);
    useSharedModels();
    tenants = await Promise.all(
      ['eu', 'us', 'eu'].map((region) => member({ region, quotas: { agents: 100_000 } })),
    );
    for (const name of ownRoles)
      for (const each of tenants) await each.call('POST', '/v1/roles', { name, title: name, rules: atFirst });
  });

  /** An owner and two others in each tenant, and two roles of its own under the same names in each. */
  async function cast() {
    const model = new ReferenceModel();
    const people: KeyHolder[] = [];
    for (const [
      tenant,
      {
        tenant: { id },
      },
    ] of tenants.entries()) {
      for (const role of ['owner', undefined, undefined] as const) {
        const person = await signedInPerson(id, ...(role ? [role] : []));
        model.people.set(person.id, { tenant, roles: new Set(role ? [role] : []) });
        people.push(person);
      }
      for (const name of ownRoles) {
        const reply = await tenants[tenant]?.call('PATCH', `/v1/roles/${name}`, { rules: atFirst });
        assert.equal(reply?.status, 200, reply?.text);
        model.roles.set(`${tenant} ${name}`, atFirst);
      }
    }
    return { model, people };
  }
  type Cast = Awaited<ReturnType<typeof cast>>;

  const pick = <T>(from: readonly T[], at: number): T => {
    const found = from[at % from.length];
    if (found === undefined) throw new Error('there is nothing to pick from');
    return found;
  };

  async function play(all: Cast, step: Act): Promise<void> {
    const by = pick(all.people, step.by);
    const expected = await carriedOut(all, by, step);
    acts++;
    const name = `${step.kind} ${expected}`;
    statuses.set(name, (statuses.get(name) ?? 0) + 1);
  }

  /** Asks Freehold, compares with the model, changes the model; answers the status. */
  async function carriedOut(all: Cast, by: KeyHolder, step: Act): Promise<number> {
    const { model } = all;
    const same = (status: number, expected: number, text: string) =>
      assert.equal(status, expected, `${JSON.stringify(step)} by ${by.id}: ${text}`);
    switch (step.kind) {
      case 'give':
      case 'take':
        return assigned(all, by, step, same);
      case 'rules': {
        const role = pick(ownRoles, step.role);
        const { tenant, roles } = model.standing(by.id);
        const expected = roles.has('owner') ? 200 : mayReadRoles(roles) ? 403 : 404;
        const reply = await by.call('PATCH', `/v1/roles/${role}`, { rules: step.rules });
        same(reply.status, expected, reply.text);
        if (expected === 200) model.roles.set(`${tenant} ${role}`, step.rules);
        return expected;
      }
      case 'create': {
        const { tags: own, environment: where } = step;
        const agent = { tenant: model.standing(by.id).tenant, owner: by.id, tags: own, environment: where };
        const expected = model.may(by.id, 'create', agent) ? 201 : 403;
        const body = { name: freshName(), model: 'demo', tags: own, environment: where };
        const reply = await by.call<{ id: string }>('POST', '/v1/agents', body);
        same(reply.status, expected, reply.text);
        if (expected === 201) model.agents.set(reply.body.id, { id: reply.body.id, ...agent });
        return expected;
      }
      case 'list': {
        const expected = model.list(by.id);
        const reply = await by.call<{ items?: { id: string }[] }>('GET', '/v1/agents?limit=200');
        same(reply.status, expected.status, reply.text);
        const ids = (reply.body.items ?? []).map(({ id }) => id).filter((id) => isOf(all, id));
        assert.deepEqual(ids.sort(), expected.ids, `list by ${by.id}`);
        return expected.status;
      }
      default:
        return single(all, by, step, same);
    }
  }

  /** Agents of other runs stand in the same tenants; of other tenants nothing may be listed at all. */
  function isOf({ model }: Cast, id: string): boolean {
    return model.agents.has(id);
  }

  type Same = (status: number, expected: number, text: string) => void;

  async function assigned(
    { model, people }: Cast,
    by: KeyHolder,
    step: Extract<Act, { to: number }>,
    same: Same,
  ): Promise<number> {
    const others = people.filter(({ id }) => !model.standing(id).roles.has('owner'));
    const near = others.filter(({ id }) => model.standing(id).tenant === model.standing(by.id).tenant);
    const to = pick(step.to % 4 === 0 ? others : near, step.to);
    const role = pick(assignable, step.role);
    const { tenant, roles } = model.standing(by.id);
    const target = model.standing(to.id);
    const there = target.tenant === tenant;
    // Whoever may not assign is told so if they may see roles at all; people of other tenants are nowhere.
    const expected = !there || !mayReadRoles(roles) ? 404 : roles.has('owner') ? 200 : 403;
    const reply = await by.call(step.kind === 'give' ? 'PUT' : 'DELETE', `/v1/users/${to.id}/roles/${role}`);
    same(reply.status, expected, reply.text);
    if (reply.status === 200) target.roles[step.kind === 'give' ? 'add' : 'delete'](role);
    return reply.status;
  }

  /** Every built-in role may see which roles there are; the tenants' own roles of this test may not. */
  const mayReadRoles = (roles: Set<string>) => [...roles].some((role) => !ownRoles.includes(role));

  async function single(
    { model }: Cast,
    by: KeyHolder,
    step: Extract<Act, { agent: number }>,
    same: Same,
  ): Promise<number> {
    const there = [...model.agents.values()];
    const near = there.filter(({ tenant }) => tenant === model.standing(by.id).tenant);
    const agents = step.agent % 4 === 0 ? there : near;
    if (agents.length === 0) return 0;
    const agent = pick(agents, step.agent);
    const path = `/v1/agents/${agent.id}`;
    if (step.kind === 'update') {
      const moved = { ...agent, environment: step.environment };
      const first = model.one(by.id, 'update', agent.id, 200);
      const expected = first === 200 && !model.may(by.id, 'update', moved) ? 403 : first;
      const reply = await by.call('PATCH', path, { environment: step.environment });
      same(reply.status, expected, reply.text);
      if (expected === 200) model.agents.set(agent.id, moved);
      return expected;
    }
    const expected = model.one(by.id, step.kind, agent.id, step.kind === 'read' ? 200 : 204);
    const reply = await by.call(step.kind === 'read' ? 'GET' : 'DELETE', path);
    same(reply.status, expected, reply.text);
    if (expected === 204) model.agents.delete(agent.id);
    return expected;
  }

  it('R4.5 are answered in every sequence of acts as a model answers that knows nothing but the rules', async function () {
    this.timeout(600_000);
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 20, maxLength: 80, size: 'max' }), async (steps) => {
        const all = await cast();
        for (const step of steps) await play(all, step);
      }),
      // Shrinking a failure plays it again and again; what is found within this time is small enough.
      { numRuns: 25, interruptAfterTimeLimit: 300_000 },
    );
    assert.ok(acts > 500, `${acts} acts`);
  });

  it('R2.1 met every kind of answer on the way: done, refused and not there', () => {
    for (const name of [
      'list 200',
      'list 403',
      'read 200',
      'read 404',
      'update 200',
      'update 403',
      'delete 204',
      'create 201',
      'create 403',
      'give 200',
      'give 404',
      'rules 200',
      'rules 403',
    ])
      assert.ok(statuses.has(name), `${name}: ${JSON.stringify([...statuses])}`);
  });
});
