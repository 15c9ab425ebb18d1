import assert from 'node:assert/strict';
import type { Route } from '../../api/route.ts';
import { routes } from '../../api/routes/index.ts';
import { readInSystem, readInTenant } from '../../models/scope.ts';
import { systemTenantId } from '../../models/system/tenant.ts';
import { newToken } from '../../models/tokens.ts';
import type { BuiltInRole } from '../../policies/permission.ts';
import { type Caller, callerOf, operator, type Reply, send } from '../support/client.ts';
import { holderOf, type KeyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import {
  acceptable,
  allRoles,
  brokenCall,
  nameOf,
  parametersOf,
  pathOf,
  publicRoutes,
  refusedRoles,
  statusOfAbsent,
} from '../support/route-matrix.ts';
import { invitationToken, sharedUrl, twoTenants } from '../support/tenants.ts';
import { type World, worldOf } from '../support/world.ts';

type Problem = {
  code: string;
  requestId: string;
  status: number;
  errors?: { pointer: string; detail: string }[];
};
type OpenApi = { paths: Record<string, Record<string, { responses: Record<string, unknown> }>> };

const methods = ['get', 'post', 'put', 'patch', 'delete'];
const known = routes.filter((route) => route.scope !== 'public');
const sameId = { 'x-request-id': 'the-same-request' };

/** Tests for each route there is, made from its declaration (test/support/route-matrix.ts). */
describe('every route', () => {
  let world: World;
  const holders = new Map<BuiltInRole, KeyHolder>();
  /** Statuses seen of each route, to be compared with what the OpenAPI document promises. */
  const seen = new Map<string, Set<number>>();
  const refused: { requestId: string; tenantId: string; route: string }[] = [];

  before(async () => {
    useSharedModels();
    const [acme, globex] = await twoTenants();
    world = await worldOf(acme, globex);
    for (const role of allRoles) holders.set(role, await holderOf(role, acme.tenant.id));
  });

  async function ask(
    route: Route,
    as: Caller,
    whose: 'own' | 'foreign' | 'absent' = 'own',
    headers: Record<string, string> = {},
  ): Promise<Reply<Problem>> {
    const body = acceptable[nameOf(route)]?.();
    return noted(route, await as.call<Problem>(route.method, pathOf(route, world, whose), body, headers));
  }

  function noted(route: Route, reply: Reply<Problem>): Reply<Problem> {
    seen.set(nameOf(route), (seen.get(nameOf(route)) ?? new Set()).add(reply.status));
    return reply;
  }

  it('R4.5 is in the matrix of refusals, and nothing else is', () => {
    assert.deepEqual(Object.keys(acceptable).sort(), routes.map(nameOf).sort());
    assert.ok(routes.every((route) => (acceptable[nameOf(route)] === null) === (route.body === undefined)));
  });

  it('R4.5 needs a permission, unless it is written down as public', () => {
    assert.deepEqual(
      routes
        .filter((route) => !route.permit)
        .map(nameOf)
        .sort(),
      publicRoutes,
    );
    assert.deepEqual(
      routes
        .filter((route) => route.scope === 'public')
        .map(nameOf)
        .sort(),
      publicRoutes,
    );
  });

  for (const route of known) {
    it(`R4.5 ${nameOf(route)} answers 401 to no credential and to every one that is not valid`, async () => {
      const { id } = world.acme.tenant;
      const good = world.acme.token;
      const flipped = good.slice(0, -1) + (good.endsWith('0') ? '1' : '0');
      const unusable: Record<string, string | undefined> = {
        none: undefined,
        'another scheme': 'Basic YWRhOnBhc3N3b3Jk',
        'no token': 'Bearer',
        noise: 'Bearer fh_key_x',
        'a wrong checksum': `Bearer ${flipped}`,
        'a key nobody has': `Bearer ${newToken('key', id)}`,
        'a session nobody has': `Bearer ${newToken('ses', id)}`,
        'a key of no tenant': `Bearer ${newToken('key', 'ten_01h455vb4pex5vsknk084sn02q')}`,
        'an invitation': `Bearer ${await invitationTokenOnce(world)}`,
      };
      for (const [what, authorization] of Object.entries(unusable)) {
        const reply = await ask(route, callerOf(), 'own', { ...(authorization && { authorization }) });
        assert.equal(reply.status, 401, `${what}: ${reply.text}`);
        assert.equal(reply.body.code, 'unauthenticated', what);
        assert.equal(reply.headers['www-authenticate'], 'Bearer', what);
      }
    });

    it(`R4.5 ${nameOf(route)} refuses each role that lacks the permission, and says so in the trail`, async () => {
      const denied = refusedRoles(route);
      const forAll = route.permitOperators !== undefined;
      assert.ok(
        denied.length > 0 || forAll,
        'a route that every role of both scopes may use is no permission',
      );
      for (const { role, status } of denied) {
        const as = holders.get(role);
        assert.ok(as);
        const reply = await ask(route, as);
        assert.equal(reply.status, status, `${role}: ${reply.text}`);
        assert.equal(reply.body.code, status === 403 ? 'forbidden' : 'not-found');
        refused.push({ requestId: reply.body.requestId, tenantId: as.tenantId, route: nameOf(route) });
      }
    });

    it(`R4.5 ${nameOf(route)} refuses somebody without any role`, async () => {
      const nobody = await signedInPerson(world.acme.tenant.id);
      const reply = await ask(route, nobody);
      assert.equal(reply.status, parametersOf(route).length > 0 ? 404 : 403, reply.text);
    });
  }

  it('R4.5 lets every role of both scopes see who it is, and nobody more do so than is written here', async () => {
    const forAll = routes.filter((route) => route.permitOperators).map(nameOf);
    assert.deepEqual(forAll.toSorted(), ['delete /sessions/current', 'get /me']);
    const { body } = await operator().call<{ tenantId: string; roles: string[] }>('GET', '/v1/me');
    assert.deepEqual([body.tenantId, body.roles], [systemTenantId, ['platform-owner']]);
    const person = await signedInPerson(systemTenantId, 'platform-auditor');
    assert.equal((await person.call('DELETE', '/v1/sessions/current')).status, 204);
    assert.equal((await person.call('GET', '/v1/me')).status, 401);
    const nobody = await signedInPerson(systemTenantId);
    assert.equal((await nobody.call('GET', '/v1/me')).status, 403);
  });

  it('R1.5 wrote every refused permission to the trail of whoever was refused', async () => {
    const statement = { text: "SELECT * FROM audit_events WHERE outcome = 'refused'", values: [] };
    const place = await placed(world.acme.tenant.id);
    const [inTenant = []] = await readInTenant(place, [
      {
        ...statement,
        text: statement.text.replace('audit_events', `t_${place.tenantId.slice(4)}.audit_events`),
      },
    ]);
    const [inSystem = []] = await readInSystem('platform', [statement]);
    assert.ok(refused.length > 100);
    for (const { requestId, tenantId, route } of refused) {
      const trail = tenantId === systemTenantId ? inSystem : inTenant;
      const events = trail.filter((event) => event.request_id === requestId);
      assert.equal(events.length, 1, `${route} ${requestId}`);
      assert.match(String(events[0]?.rule), /^no role allows /);
    }
  });

  for (const route of routes.filter((each) => parametersOf(each).length > 0)) {
    it(`R2.1 ${nameOf(route)} answers for what is another tenant's, byte for byte, as for what is nowhere`, async () => {
      // A platform route knows no "own"; there the stranger is a tenant's owner who asks about a real object.
      const foreign = await ask(route, world.acme, 'foreign', sameId);
      const absent = await ask(route, world.acme, 'absent', sameId);
      assert.equal(absent.status, statusOfAbsent(route));
      assert.equal(foreign.status, absent.status);
      assert.equal(foreign.text, absent.text);
      const { date: _a, ratelimit: _b, ...one } = foreign.headers;
      const { date: _c, ratelimit: _d, ...other } = absent.headers;
      assert.deepEqual(one, other);
    });

    it(`R2.1 ${nameOf(route)} answers an id of another shape with 404`, async () => {
      const path = `/v1${route.path.replaceAll(/:\w+/g, "x' OR '1'='1")}`;
      const as = route.scope === 'platform' ? operator() : world.acme;
      const body = acceptable[nameOf(route)]?.();
      const reply = noted(route, await as.call<Problem>(route.method, encodeURI(path), body));
      assert.equal(reply.status, 404, reply.text);
    });
  }

  for (const route of known.filter((each) => each.scope === 'platform' && parametersOf(each).length > 0)) {
    it(`R1.4 ${nameOf(route)} answers an operator 404 for an id that nobody has`, async () => {
      assert.equal((await ask(route, operator(), 'absent')).status, 404);
    });
  }

  for (const route of routes) {
    const as = () =>
      route.scope === 'platform' ? operator() : route.scope === 'tenant' ? world.acme : callerOf();

    it(`R1.2 ${nameOf(route)} names every fault of a request at once, each with a pointer`, async () => {
      const { query, body, pointers } = brokenCall(route);
      const path = `${pathOf(route, world, 'own')}?${query}`;
      const reply = noted(route, await as().call<Problem>(route.method, path, body));
      assert.equal(reply.status, 400, reply.text);
      assert.equal(reply.body.code, 'invalid-request');
      assert.match(String(reply.headers['content-type']), /^application\/problem\+json/);
      assert.deepEqual((reply.body.errors ?? []).map((each) => each.pointer).sort(), pointers.sort());
      assert.ok(reply.body.errors?.every((each) => each.detail.length > 5));
    });

    it(`R1.2 ${nameOf(route)} reads a body only when it is JSON`, async () => {
      const headers = { 'content-type': 'text/plain' };
      const text = JSON.stringify(acceptable[nameOf(route)]?.() ?? {});
      const path = pathOf(route, world, 'own');
      const reply = noted(route, await as().call<Problem>(route.method, path, text, headers));
      assert.equal(reply.status, 415, reply.text);
    });

    it(`R4.5 ${nameOf(route)} offers no other method at its path`, async () => {
      const offered = routes.filter((each) => each.path === route.path).map((each) => each.method);
      for (const method of methods.filter((each) => !offered.some((one) => one === each))) {
        const reply = await as().call<Problem>(method, pathOf(route, world, 'own'));
        assert.equal(reply.status, 405, `${method}: ${reply.text}`);
        const allowed = String(reply.headers.allow).toLowerCase().split(', ');
        assert.deepEqual(allowed.filter((each) => each !== 'head').sort(), offered.toSorted());
        assert.equal(allowed.includes('head'), offered.includes('get'));
      }
    });

    it(`R4.5 ${nameOf(route)} never lets an answer be kept by a cache between`, async () => {
      const reply = await ask(route, callerOf());
      assert.equal(reply.headers['cache-control'], 'private, no-store');
      assert.equal(reply.headers['x-content-type-options'], 'nosniff');
      assert.equal(reply.headers['x-powered-by'], undefined);
    });
  }

  for (const route of known.filter(({ query }) => query?.shape.cursor)) {
    it(`R1.2 ${nameOf(route)} goes on from any cursor that has the shape of one, and is no fault of ours`, async () => {
      const as = route.scope === 'platform' ? operator() : world.acme;
      for (const cursor of ['0', '1', '348461773181', '9'.repeat(18)]) {
        const path = `${pathOf(route, world, 'own')}?cursor=${cursor}`;
        const reply = noted(route, await as.call<Problem>(route.method, path));
        assert.ok([200, 400].includes(reply.status), `${cursor}: ${reply.text}`);
      }
    });
  }

  it('R1.4 is in the OpenAPI document with every status it was seen to answer here', async () => {
    const { body } = await send<OpenApi>(sharedUrl(), 'GET', '/v1/openapi.json');
    const listed = Object.entries(body.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    const declared = routes.map(({ method, path }) => `${method} /v1${path.replaceAll(/:(\w+)/g, '{$1}')}`);
    assert.deepEqual(listed.sort(), declared.sort());
    for (const route of routes) {
      const item = body.paths[`/v1${route.path.replaceAll(/:(\w+)/g, '{$1}')}`]?.[route.method];
      const promised = Object.keys(item?.responses ?? {});
      for (const status of [...Object.keys(route.answers), ...(seen.get(nameOf(route)) ?? [])])
        assert.ok(promised.includes(String(status)), `${nameOf(route)} answers ${status}, undocumented`);
    }
  });
});

let invitation: Promise<string> | undefined;
function invitationTokenOnce({ acme }: World): Promise<string> {
  invitation ??= invitationToken(acme.email);
  return invitation;
}
