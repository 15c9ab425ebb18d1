import assert from 'node:assert/strict';
import { newToken } from '../../models/tokens.ts';
import { callerOf, operator, type Reply } from '../support/client.ts';
import { useSharedModels } from '../support/people.ts';
import { hostOf } from '../support/raw.ts';
import { freshSlug, type Member, onboard, password, type Shown, twoTenants } from '../support/tenants.ts';

type Signal = { by: string; value: string | null; leadsSomewhere: boolean; agrees: boolean; former: boolean };
type Context = {
  agreed: boolean;
  explanation: string;
  tenant: {
    id: string;
    slug: string | null;
    host: string | null;
    name: string | null;
    servedAt: null;
  } | null;
  formerAddress: boolean;
  won: string | null;
  signals: Signal[];
  precedence: { by: string }[];
};
type Way = 'host' | 'header' | 'query';

const ways: Way[] = ['host', 'header', 'query'];
const nobody = callerOf();

/** A request that names these tenants in these ways. */
function naming(named: Partial<Record<Way, string>>, path: string): [string, Record<string, string>] {
  const headers = {
    ...(named.host !== undefined && { host: hostOf(named.host) }),
    ...(named.header !== undefined && { 'x-tenant': named.header }),
  };
  return [named.query === undefined ? path : `${path}?tenant=${named.query}`, headers];
}

describe('the context of a request', () => {
  let acme: Member;
  let globex: Member;
  let moved: Shown & { former: string };

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
    const made = await onboard();
    const slug = freshSlug('moved');
    await operator().call('PATCH', `/v1/tenants/${made.id}`, { slug });
    moved = { ...made, slug, former: made.slug };
  });

  const ask = (as = nobody, named: Partial<Record<Way, string>> = {}): Promise<Reply<Context>> => {
    const [path, headers] = naming(named, '/v1/context');
    return as.call<Context>('GET', path, undefined, headers);
  };

  it('R3.1 says by which signal the tenant was found, whichever it was', async () => {
    for (const way of ways) {
      const { status, body } = await ask(nobody, { [way]: acme.tenant.slug });
      assert.equal(status, 200);
      assert.equal(body.agreed, true);
      assert.equal(body.won, way);
      assert.deepEqual(body.tenant, {
        id: acme.tenant.id,
        slug: acme.tenant.slug,
        host: hostOf(acme.tenant.slug),
        name: null,
        servedAt: null,
      });
      assert.deepEqual(
        body.precedence.map((each) => each.by),
        ['credential', 'host', 'header', 'query'],
      );
    }
  });

  it('R3.1 tells the name, and one’s own address, to a credential of the tenant alone', async () => {
    const { body } = await ask(acme);
    assert.equal(body.won, 'credential');
    assert.equal(body.tenant?.name, 'Same Name');
    assert.equal(body.tenant?.host, hostOf(acme.tenant.slug));
    assert.deepEqual(body.signals, [
      { by: 'credential', value: null, leadsSomewhere: true, agrees: true, former: false },
    ]);
    const byId = await ask(nobody, { header: acme.tenant.id });
    assert.deepEqual(byId.body.tenant, {
      id: acme.tenant.id,
      slug: null,
      host: null,
      name: null,
      servedAt: null,
    });
  });

  it('R3.1 follows one order of precedence, in every combination of all four signals', async () => {
    const both = [undefined, acme.tenant.slug, globex.tenant.slug];
    let seen = 0;
    for (const as of [undefined, acme, globex])
      for (const host of both)
        for (const header of both)
          for (const query of both) {
            const named = Object.fromEntries(
              Object.entries({ host, header, query }).filter(([, value]) => value !== undefined),
            );
            const all = [as?.tenant.slug, host, header, query].filter((each) => each !== undefined);
            const agreed = new Set(all).size <= 1;
            const { status, body } = await ask(as ?? nobody, named);
            assert.equal(status, 200);
            assert.equal(body.agreed, agreed, JSON.stringify([as?.tenant.slug, named]));
            const own = as?.tenant.id ?? null;
            const meant = [acme, globex].find((each) => each.tenant.slug === all[0])?.tenant.id ?? null;
            assert.equal(body.tenant?.id ?? null, agreed ? meant : own);
            // What is really done is decided by the same rule.
            const [path, headers] = naming(named, as ? '/v1/me' : '/v1/sessions');
            const real = as
              ? await as.call('GET', path, undefined, headers)
              : await nobody.call('POST', path, { email: 'no@one.example', password }, headers);
            const expected = !agreed ? 403 : as ? 200 : all.length === 0 ? 400 : 401;
            assert.equal(real.status, expected, real.text);
            seen++;
          }
    assert.equal(seen, 81);
  });

  it('R3.1 explains what does not agree, and tells nothing about the other tenant', async () => {
    const own = await ask(acme, { header: globex.tenant.slug });
    assert.match(own.body.explanation, /The credential and X-Tenant name different tenants\. Yours is at /);
    assert.equal(own.body.tenant?.id, acme.tenant.id);
    const without = await ask(nobody, { host: acme.tenant.slug, query: globex.tenant.slug });
    assert.equal(without.body.tenant, null);
    assert.ok(!own.text.includes(globex.tenant.id) && !without.text.includes(globex.tenant.id));
    const unknown = await ask(acme, { header: 'nobody-has-this' });
    assert.deepEqual(
      unknown.body.signals.map((each) => each.leadsSomewhere),
      [true, false],
    );
    assert.match(unknown.body.explanation, /no organisation at the address that X-Tenant gives/);
    const nowhere = await ask(nobody, { header: 'ten_01h455vb4pex5vsknk084sn02q' });
    assert.deepEqual([nowhere.body.agreed, nowhere.body.tenant], [false, null]);
    const none = await ask();
    assert.deepEqual([none.body.agreed, none.body.tenant, none.body.won], [true, null, null]);
  });

  it('R3.1 answers a credential that is not good as everywhere', async () => {
    const reply = await ask(callerOf(newToken('key', acme.tenant.id)), { header: acme.tenant.slug });
    assert.equal(reply.status, 401);
  });

  it('R3.1 tells operators that they are in no organisation', async () => {
    const { body } = await ask(operator());
    assert.deepEqual([body.agreed, body.tenant?.host, body.tenant?.name], [true, null, null]);
  });

  it('R3.1 says that an address is a former one, and which is the present one', async () => {
    const { body } = await ask(nobody, { header: moved.former });
    assert.equal(body.agreed, true);
    assert.equal(body.formerAddress, true);
    assert.equal(body.tenant?.slug, moved.slug);
  });
});
