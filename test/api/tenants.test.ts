import assert from 'node:assert/strict';
import { inTenant, readInSystem } from '../../models/scope.ts';
import { tenantTableNames } from '../../models/tenant-schema.ts';
import { currentPlan } from '../../policies/plans.ts';
import { callerOf, operator, type Reply } from '../support/client.ts';
import { everybody, placed, useSharedModels } from '../support/people.ts';
import {
  asked,
  type Followed,
  follow,
  freshSlug,
  member,
  onboard,
  password,
  type Shown,
} from '../support/tenants.ts';

type Problem = {
  code: string;
  detail: string;
  errors: { pointer: string; code: string; detail: string }[];
  operation?: { id: string };
};
type Listed = { items: Shown[]; nextCursor: string | null };

before(useSharedModels);

const post = <T = Problem>(body: unknown, query = ''): Promise<Reply<T>> =>
  operator().call<T>('POST', `/v1/tenants${query}`, body);

const faultsAt = (reply: Reply<Problem>, pointer: string): string[] =>
  (reply.body.errors ?? []).filter((each) => each.pointer === pointer).map((each) => each.detail);

describe('onboarding a tenant', () => {
  it('R1.1 leads to a tenant that works, and shows each step with its times and attempts', async () => {
    const slug = freshSlug();
    const begun = await post<Shown>(asked(slug));
    assert.equal(begun.status, 202);
    assert.match(begun.body.id, /^ten_[0-7][0-9a-z]{25}$/);
    assert.equal(begun.body.state, 'provisioning');
    assert.equal(begun.headers.location, begun.body.operation.href);
    const done = await follow(begun.body.operation.id);
    assert.equal(done.state, 'succeeded');
    assert.equal(done.percent, 100);
    assert.deepEqual(
      done.steps.map((step) => [step.name, step.state]),
      [
        'ensureTenantSchema',
        'ensureTenantKey',
        'openSubscription',
        'applyPlan',
        'createInvitation',
        'sendInvitation',
        'probeTenant',
        'activateTenant',
      ].map((name) => [name, 'done']),
    );
    for (const step of done.steps) {
      assert.equal(step.attempts, 1, step.name);
      assert.ok(step.startedAt && step.endedAt && step.startedAt <= step.endedAt, step.name);
    }
    const { body } = await operator().call<Shown>('GET', `/v1/tenants/${begun.body.id}`);
    assert.equal(body.state, 'active');
    assert.equal(body.slug, slug);
  });

  it('R1.3 gives it the plan’s quotas, settings and subscription, with its own wishes over them', async () => {
    const wishes = { quotas: { agents: 7 }, settings: { 'sessions.hours': 3 } };
    const { tenant, ...acme } = await member({ plan: 'free', ...wishes });
    const { limits, version } = currentPlan('free') ?? assert.fail('no plan');
    const own = await acme.call<{ quotas: Record<string, number>; plan: unknown }>('GET', '/v1/tenant');
    assert.deepEqual(own.body.quotas, { ...limits, agents: 7 });
    assert.deepEqual(own.body.plan, { name: 'free', version });
    const settings = await inTenant(await placed(tenant.id), ({ sql }) =>
      sql('SELECT key, value FROM settings ORDER BY key'),
    );
    assert.deepEqual(settings, [{ key: 'sessions.hours', value: 3 }]);
    const [subscriptions] = await readInSystem(tenant.id, [
      { text: 'SELECT plan, plan_version, state FROM subscriptions', values: [] },
    ]);
    assert.deepEqual(subscriptions, [{ plan: 'free', plan_version: version, state: 'active' }]);
  });

  it('R1.3 makes the first administrator, who owns it, and nobody else', async () => {
    const { email, ...acme } = await member();
    const me = await acme.call<{ email: string; roles: string[]; tenantId: string }>('GET', '/v1/me');
    assert.deepEqual(me.body.roles, ['owner']);
    assert.equal(me.body.email, email);
    const people = await inTenant(await placed(me.body.tenantId), ({ sql }) => everybody(sql));
    assert.deepEqual(
      people.map((each) => each.email),
      [email],
    );
  });

  it('R1.2 names every fault at once, those that only the directory knows included', async () => {
    const { slug } = await onboard();
    const reply = await post({
      slug,
      name: '',
      region: 'mars',
      plan: 'gold',
      admin: { email: 'not an address', name: 'Ada\nAdmin' },
      quotas: { agents: -1, unicorns: 1 },
      settings: { 'sessions.hours': 0 },
    });
    assert.equal(reply.status, 400);
    assert.deepEqual(
      new Set(reply.body.errors.map((each) => each.pointer)),
      new Set([
        '/slug',
        '/name',
        '/region',
        '/plan',
        '/admin/email',
        '/admin/name',
        '/quotas/agents',
        '/quotas/unicorns',
        '/settings/sessions.hours',
      ]),
    );
    assert.match(faultsAt(reply, '/slug').join(), /already taken/);
    assert.match(faultsAt(reply, '/region').join(), /eu, us/);
    assert.match(faultsAt(reply, '/plan').join(), /free, team, business/);
  });

  it('R4.5 tells nobody but operators which addresses are taken', async () => {
    const { tenant, ...acme } = await member();
    const reply = await acme.call<Problem>('POST', '/v1/tenants', { slug: tenant.slug, plan: 'gold' });
    assert.equal(reply.status, 403);
    assert.equal(reply.body.errors, undefined);
  });

  it('R1.2 makes nothing in a dry run, and says what it would make', async () => {
    const slug = freshSlug();
    const count = {
      text: 'SELECT (SELECT count(*) FROM tenants) AS tenants, (SELECT sum(tenants) FROM cells) AS placed',
      values: [],
    };
    const counted = async () => (await readInSystem('platform', [count]))[0]?.[0];
    const dry = await post<{ wouldCreate: Record<string, unknown> }>(asked(slug), '?dryRun=true');
    assert.equal(dry.status, 200);
    const { wouldCreate } = dry.body;
    assert.equal(wouldCreate.slug, slug);
    assert.equal(wouldCreate.tables, tenantTableNames.length);
    assert.deepEqual(wouldCreate.quotas, currentPlan('team')?.limits);
    const { body } = await operator().call<Listed>('GET', `/v1/tenants?slug=${slug}`);
    assert.deepEqual(body.items, []);
    // Others onboard at the same time, so only this is sure: nothing bears the address, and counts agree.
    const { tenants, placed: inCells } = (await counted()) ?? {};
    assert.ok(Number(inCells) <= Number(tenants));
    assert.equal((await post(asked(slug))).status, 202);
  });

  it('R1.2 refuses in a dry run what it would refuse in earnest', async () => {
    const { slug } = await onboard();
    assert.equal((await post(asked(slug), '?dryRun=true')).status, 409);
    assert.equal((await post(asked('UP'), '?dryRun=true')).status, 400);
  });

  it('R1.2 lets one of two who want one address at once have it', async () => {
    const slug = freshSlug();
    const replies = await Promise.all(Array.from({ length: 6 }, () => post(asked(slug))));
    assert.deepEqual(replies.map((each) => each.status).sort(), [202, 409, 409, 409, 409, 409]);
    const lost = replies.find((each) => each.status === 409);
    assert.deepEqual(
      lost?.body.errors.map((each) => each.pointer),
      ['/slug'],
    );
  });

  it('R2.1 takes an administrator of another tenant without a word about it', async () => {
    const admin = { email: `shared@${freshSlug()}.example`, name: 'Ada Admin' };
    const [one, two] = [await onboard({ admin }), await onboard({ admin })];
    const people = await Promise.all(
      [one, two].map(async ({ id }) => inTenant(await placed(id), ({ sql }) => everybody(sql))),
    );
    assert.deepEqual(
      people.map((rows) => rows.map((row) => row.email)),
      [[admin.email], [admin.email]],
    );
    assert.notEqual(people[0]?.[0]?.id, people[1]?.[0]?.id);
  });

  it('R1.1 makes tenants side by side, each in the region it was asked for', async () => {
    const made = await Promise.all(['eu', 'us', 'eu', 'us'].map((region) => onboard({ region })));
    assert.equal(new Set(made.map((each) => each.id)).size, 4);
    const places = await Promise.all(made.map((each) => placed(each.id)));
    assert.deepEqual(
      places.map((each) => each.cell),
      ['eu-1', 'us-1', 'eu-1', 'us-1'],
    );
  });
});

describe('a tenant’s address', () => {
  const slugRefused: Record<string, RegExp> = {
    admin: /reserved/,
    adrnin: /looks like the reserved word “admin”/,
    'xn--80ak6aa92e': /xn--/,
    аcme: /U\+0430/,
    'acme-ﬁ': /U\+FB01/,
    'ac\u200dme': /U\+200D/,
    'acme😀': /U\+1F600/,
    Acme: /U\+0041/,
    ac: /3 to 40/,
    ['a'.repeat(41)]: /3 to 40/,
    '-acme': /begin or end/,
    'acme-': /begin or end/,
    '1acme': /begin with a letter/,
    'a.b.c': /U\+002E/,
    "a'; DROP TABLE tenants": /U\+0027/,
  };

  for (const [slug, why] of Object.entries(slugRefused)) {
    it(`R1.2 cannot be “${slug}”`, async () => {
      const reply = await post(asked(slug, { admin: { email: 'ada@acme.example', name: 'Ada' } }));
      assert.equal(reply.status, 400);
      assert.match(faultsAt(reply, '/slug').join(' '), why);
    });
  }

  it('R1.2 cannot look like one that is taken', async () => {
    const slug = freshSlug('morning');
    await onboard({ slug });
    for (const alike of [slug.replace('morning', 'moming'), slug.replace('o', '0'), slug.replace('i', '1')]) {
      const reply = await post(asked(alike));
      assert.equal(reply.status, 409, alike);
      assert.match(reply.body.detail, new RegExp(`looks like “${slug}”`));
    }
  });

  it('R1.4 can be changed: the old one keeps leading to the tenant, and nobody else may take it', async () => {
    const acme = await member();
    const { id, slug: old } = acme.tenant;
    const slug = freshSlug();
    const patch = (body: object, headers = {}, query = '') =>
      operator().call<Shown & Problem>('PATCH', `/v1/tenants/${id}${query}`, body, headers);

    const stale = await patch({ slug }, { 'if-match': '"1"' });
    assert.equal(stale.status, 412);
    const { headers } = await operator().call('GET', `/v1/tenants/${id}`);
    const dry = await patch({ slug }, {}, '?dryRun=true');
    assert.equal(dry.body.slug, slug);
    const renamed = await patch({ slug }, { 'if-match': String(headers.etag) });
    assert.equal(renamed.status, 200);
    assert.equal(renamed.body.slug, slug);
    assert.notEqual(renamed.headers.etag, headers.etag);

    for (const address of [old, slug, slug.toUpperCase()]) {
      const session = await callerOf().call(
        'POST',
        '/v1/sessions',
        { email: acme.email, password },
        { 'x-tenant': address },
      );
      assert.equal(session.status, 201, address);
    }
    const squatter = await post(asked(old));
    assert.equal(squatter.status, 409);
    assert.match(squatter.body.detail, /held back for 90 days/);
    assert.equal((await patch({ slug: old })).body.slug, old);
  });

  it('R1.4 cannot be changed to one that another tenant has', async () => {
    const [acme, globex] = await Promise.all([onboard(), onboard()]);
    const reply = await operator().call<Problem>('PATCH', `/v1/tenants/${acme.id}`, { slug: globex.slug });
    assert.equal(reply.status, 409);
    const { body } = await operator().call<Shown>('GET', `/v1/tenants/${acme.id}`);
    assert.equal(body.slug, acme.slug);
  });
});

describe('lists of tenants and operations', () => {
  it('R1.4 give every tenant once, page by page, and nothing for a cursor of another list', async () => {
    await Promise.all([onboard(), onboard(), onboard()]);
    const ids: string[] = [];
    for (let cursor = '', pages = 0; pages < 500; pages++) {
      const { status, body } = await operator().call<Listed>('GET', `/v1/tenants?limit=2${cursor}`);
      assert.equal(status, 200);
      assert.ok(body.items.length <= 2);
      ids.push(...body.items.map((each) => each.id));
      if (!body.nextCursor) break;
      cursor = `&cursor=${body.nextCursor}`;
    }
    assert.equal(new Set(ids).size, ids.length);
    assert.deepEqual(ids, ids.toSorted().reverse());
    for (const cursor of ['nonsense', 'op_01h455vb4pex5vsknk084sn02q', "' OR 1=1", ''])
      assert.equal(
        (await operator().call('GET', `/v1/tenants?cursor=${encodeURIComponent(cursor)}`)).status,
        400,
      );
  });

  it('R1.4 can be filtered by state, region, address, tenant and kind', async () => {
    const tenant = await onboard({ region: 'us' });
    const tenants = async (query: string) =>
      (await operator().call<Listed>('GET', `/v1/tenants?${query}`)).body.items.map((each) => each.id);
    assert.deepEqual(await tenants(`slug=${tenant.slug}`), [tenant.id]);
    assert.deepEqual(await tenants(`slug=${tenant.slug}&state=active&region=us`), [tenant.id]);
    assert.deepEqual(await tenants(`slug=${tenant.slug}&region=eu`), []);
    assert.deepEqual(await tenants(`slug=${tenant.slug}&state=suspended`), []);
    const operations = async (query: string) =>
      (await operator().call<{ items: Followed[] }>('GET', `/v1/operations?${query}`)).body.items.map(
        (each) => each.id,
      );
    const own = `tenantId=${tenant.id}`;
    assert.deepEqual(await operations(own), [tenant.operation.id]);
    assert.deepEqual(await operations(`${own}&kind=provision-tenant&state=succeeded`), [tenant.operation.id]);
    assert.deepEqual(await operations(`${own}&kind=delete-tenant`), []);
    assert.deepEqual(await operations(`${own}&state=running`), []);
  });
});
