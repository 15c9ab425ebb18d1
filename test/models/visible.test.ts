import assert from 'node:assert/strict';
import fc from 'fast-check';
import { useConfig } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { inTenant, type Place, readInTenant } from '../../models/scope.ts';
import { agentList } from '../../models/tenant/agent.ts';
import { ensureTenantSchema } from '../../models/tenant-schema.ts';
import { visibleTo } from '../../models/visible.ts';
import { authorize, hiddenFields } from '../../policies/authorize.ts';
import { compile, missingFrom, type Rights, sometimesHidden } from '../../policies/rights.ts';
import { type Conditions, environments, hideableFields, type Rule } from '../../policies/rule.ts';
import { cell } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';

const owners = ['usr_a', 'usr_b', null];
const tags = ['red', 'green', 'with "quotes", {braces} and \\'];

const someTags = fc.subarray(tags, { minLength: 1 });
const when: fc.Arbitrary<Conditions> = fc.record(
  {
    ownerId: fc.constant('me' as const),
    tags: someTags.map((any) => ({ any })),
    environment: fc.subarray([...environments], { minLength: 1 }).map((any) => ({ any })),
  },
  { requiredKeys: [] },
);
const fields = fc.subarray([...(hideableFields.Agent ?? [])], { minLength: 1 });
const rule: fc.Arbitrary<Rule> = fc.record(
  {
    effect: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const),
    action: fc.constantFrom('read' as const, 'read' as const, 'update' as const),
    subject: fc.constant('Agent' as const),
    when,
    fields,
  },
  { requiredKeys: ['effect', 'action', 'subject'] },
);
const rights = (rules: Rule[]): Rights =>
  compile(rules.map((each, at) => ({ role: `role-${at}`, rule: each })));
const anyRights = fc
  .tuple(fc.array(rule, { maxLength: 5 }), fc.option(fc.array(rule, { maxLength: 4 }), { nil: undefined }))
  .map(([own, bound]) => (bound ? { ...rights(own), bound: rights(bound) } : rights(own)));
const ids = fc.constantFrom(['usr_a'], ['key_x', 'usr_b'], ['usr_z']);

type Object_ = { owner_id: string | null; tags: string[]; environment: string };
const object: fc.Arbitrary<Object_> = fc.record({
  owner_id: fc.constantFrom(...owners),
  tags: fc.subarray(tags),
  environment: fc.constantFrom(...environments),
});

describe('rights as data', () => {
  let place: Place;
  let stored: (Object_ & { id: string })[];

  before(async () => {
    useConfig(await ownConfig());
    place = { tenantId: newId('ten'), cell, login: 0 };
    await ensureTenantSchema(place, 'test');
    stored = fc.sample(object, 80).map((each) => ({ id: newId('agt'), ...each }));
    await inTenant(place, async ({ Agent }) => {
      for (const { id, owner_id, tags: own, environment } of stored)
        await Agent.create({
          id,
          name: id,
          nameKey: id,
          model: 'demo',
          ownerId: owner_id,
          tags: own,
          environment: environments.find((each) => each === environment) ?? 'production',
        });
    });
  });

  it('R4.3 shows in a list exactly the rows that CASL allows to be read one by one, whatever the rules', async () => {
    let seen = 0;
    await fc.assert(
      fc.asyncProperty(anyRights, ids, async (held, asker) => {
        const statement = agentList(place.tenantId, {}, visibleTo(held, 'Agent', asker), { limit: 200 });
        const [rows = []] = await readInTenant(place, [statement]);
        const allowed = stored.filter(
          (row) => authorize(held, 'read', { type: 'Agent', object: row, ids: asker }).allowed,
        );
        seen += allowed.length;
        assert.deepEqual(rows.map((row) => row.id).toSorted(), allowed.map((row) => row.id).toSorted());
      }),
      { numRuns: 400 },
    );
    assert.ok(seen > 1_000, 'the rules must not all be empty');
  });

  it('R4.3 gives nobody more than the giver holds: whatever passes as held is held, of every object', () => {
    let passed = 0;
    fc.assert(
      fc.property(
        anyRights,
        anyRights,
        fc.array(object, { minLength: 5 }),
        ids,
        (author, wanted, objects, asker) => {
          if (missingFrom(author, wanted).length > 0) return;
          passed++;
          for (const each of objects)
            for (const action of ['read', 'update'] as const) {
              const question = { type: 'Agent' as const, object: each, ids: asker };
              if (!authorize(wanted, action, question).allowed) continue;
              assert.ok(authorize(author, action, question).allowed, action);
              const hidden = action === 'read' ? hiddenFields(author, question) : [];
              const shown = hidden.filter((field) => !hiddenFields(wanted, question).includes(field));
              assert.deepEqual(shown, [], 'a field the author may not read');
            }
        },
      ),
      { numRuns: 3_000 },
    );
    assert.ok(passed > 50, `only ${passed} of them were held`);
  });

  it('R4.3 lets whoever has rights give exactly these', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 5 }), (rules) => {
        const allows = rights(rules.filter((each) => each.effect === 'allow'));
        assert.deepEqual(missingFrom(allows, allows), []);
      }),
    );
  });

  it('R4.3 knows of every field that is ever hidden', () => {
    fc.assert(
      fc.property(anyRights, object, ids, (held, each, asker) => {
        const hidden = hiddenFields(held, { type: 'Agent', object: each, ids: asker });
        const visible = authorize(held, 'read', { type: 'Agent', object: each, ids: asker }).allowed;
        const whole = (hideableFields.Agent ?? []).filter(
          (field) => !sometimesHidden(held, 'Agent').includes(field),
        );
        assert.ok(!visible || whole.every((field) => !hidden.includes(field)));
      }),
    );
  });
});

describe('a condition', () => {
  it('R4.3 that was not given is none, and matches nothing by being undefined', () => {
    const held = rights([{ effect: 'allow', action: 'read', subject: 'Agent', when: { ownerId: 'me' } }]);
    const may = (owned: Record<string, unknown>, asker: string[]) =>
      authorize(held, 'read', { type: 'Agent', object: owned, ids: asker }).allowed;
    assert.equal(may({}, ['usr_a']), false);
    assert.equal(may({ owner_id: null }, ['usr_a']), false);
    assert.equal(may({ owner_id: undefined }, []), false);
    assert.equal(may({ owner_id: 'usr_a' }, []), false);
    assert.equal(may({ owner_id: 'usr_a' }, ['usr_a']), true);
  });

  it('R4.3 of a deny beats every allow, in whichever order the roles stand', () => {
    const allow: Rule = { effect: 'allow', action: 'update', subject: 'Agent' };
    const deny: Rule = { ...allow, effect: 'deny', when: { environment: { any: ['production'] } } };
    for (const rules of [
      [allow, deny],
      [deny, allow],
    ]) {
      const ask = (environment: string) =>
        authorize(rights(rules), 'update', { type: 'Agent', object: { environment } });
      assert.equal(ask('production').allowed, false);
      assert.match(ask('production').rule, /may not update Agent in production/);
      assert.equal(ask('staging').allowed, true);
    }
  });
});
