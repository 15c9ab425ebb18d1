import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { recordUse } from '../../models/tenant/integration-use.ts';
import { keyHolder, placed, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, twoTenants } from '../support/tenants.ts';
import { plainServer, type Served } from '../support/tls-server.ts';

describe('integrations, and who may do what with them', () => {
  let acme: Member;
  let globex: Member;
  let server: Served;
  let asked = 0;
  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
    server = await plainServer((_request, response) => {
      asked++;
      response.end();
    });
  });
  after(() => server.stop());
  beforeEach(() => {
    asked = 0;
  });

  const given = () => ({
    name: freshSlug('api'),
    kind: 'http',
    target: { url: `http://127.0.0.1:${server.port}`, auth: 'bearer' },
    credential: 'the token of this test',
  });
  const make = async (as: Pick<Member, 'call'> = acme) =>
    (await as.call<{ id: string }>('POST', '/v1/integrations?validate=false', given())).body.id;

  async function published(of: 'agents' | 'workflows', body: object): Promise<string> {
    const made = await acme.call<{ id: string }>('POST', `/v1/${of}`, body);
    assert.equal(made.status, 201, made.text);
    const version = await acme.call('POST', `/v1/${of}/${made.body.id}/versions`, {});
    assert.equal(version.status, 201, version.text);
    return made.body.id;
  }

  it('R6.4 calls nobody for whoever may not do what they ask', async () => {
    const builder = await keyHolder(acme.tenant.id, 'builder');
    const viewer = await keyHolder(acme.tenant.id, 'viewer');
    const id = await make();
    assert.equal((await builder.call('POST', '/v1/integrations', given())).status, 403);
    assert.equal((await builder.call('PATCH', `/v1/integrations/${id}`, given())).status, 400);
    assert.equal((await viewer.call('POST', `/v1/integrations/${id}/checks`)).status, 404);
    assert.equal(asked, 0);
    assert.equal((await builder.call('POST', `/v1/integrations/${id}/checks`)).status, 200);
    assert.ok(asked > 0);
  });

  it('R6.4 makes one integration of several requests with one Idempotency-Key', async () => {
    const body = given();
    const headers = { 'idempotency-key': freshSlug('once') };
    const [one, two] = [
      await acme.call<{ id: string }>('POST', '/v1/integrations', body, headers),
      await acme.call<{ id: string }>('POST', '/v1/integrations', body, headers),
    ];
    assert.deepEqual([one.status, two.status, two.body.id], [201, 201, one.body.id]);
  });

  it('R6.4 removes nothing that agents have used lately, but when it is insisted on', async () => {
    const id = await make();
    const use = {
      integrationId: id,
      principalId: 'usr_x',
      agentId: 'agt_greeter',
      method: 'GET',
      status: 200,
    };
    const counted = { failure: null, requestBytes: 0, responseBytes: 0, milliseconds: 1 };
    await inTenant(await placed(acme.tenant.id), ({ sql }) => recordUse(sql, { ...use, ...counted }));
    const path = `/v1/integrations/${id}`;
    const refused = await acme.call<{ inUseBy: string[] }>('DELETE', path);
    assert.deepEqual([refused.status, refused.body.inUseBy], [409, ['agt_greeter']]);
    const dry = await acme.call<{ inUseBy: string[] }>('DELETE', `${path}?dryRun=true`);
    assert.deepEqual([dry.status, dry.body.inUseBy], [200, ['agt_greeter']]);
    assert.equal((await acme.call('DELETE', `${path}?force=true`)).status, 204);
  });

  it('R6.4 removes nothing that is called by the live version of an agent or workflow, and names them', async () => {
    const [id, spare] = [await make(), await make()];
    const call = { integrationId: id, method: 'GET', path: '/' };
    const tools = [{ ...call, kind: 'integration', name: 'ask', description: 'asks', inputSchema: {} }];
    const step = { ...call, id: 'inner', kind: 'tool' };
    const loop = { id: 'outer', kind: 'loop', until: 'true', maxIterations: 1, steps: [step] };
    const agent = await published('agents', { name: 'Greeter', model: 'demo', tools });
    const workflow = await published('workflows', { name: 'Flow', definition: { steps: [loop] } });
    const path = `/v1/integrations/${id}`;
    const refused = await acme.call<{ inUseBy: string[]; detail: string }>('DELETE', path);
    assert.deepEqual([refused.status, refused.body.inUseBy], [409, [agent, workflow]]);
    assert.ok(refused.body.detail.includes(`agent “Greeter” (${agent}), workflow “Flow” (${workflow})`));
    const dry = await acme.call<{ inUseBy: string[] }>('DELETE', `${path}?dryRun=true`);
    assert.deepEqual(dry.body.inUseBy, [agent, workflow]);
    assert.equal((await acme.call('DELETE', `/v1/integrations/${spare}`)).status, 204);
    assert.equal((await acme.call('DELETE', `${path}?force=true`)).status, 204);
  });

  it('R6.4 keeps two organisations apart, and names nothing of one to the other', async () => {
    const id = await make();
    const random = await globex.call('GET', `/v1/integrations/${id.slice(0, -4)}0000`);
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['PATCH', '', { name: 'mine' }],
      ['DELETE', '', undefined],
      ['POST', '/checks', undefined],
      ['POST', '/secret-rotations', { credential: 'another' }],
      ['GET', '/deliveries', undefined],
    ] as const) {
      const asked = await globex.call(method, `/v1/integrations/${id}${path}`, body);
      assert.equal(asked.status, 404, `${method} ${path} ${asked.text}`);
    }
    assert.equal(random.status, 404);
    assert.ok(!(await globex.call('GET', '/v1/integrations')).text.includes(id));
  });

  it('R6.4 lets nobody look around in networks by trying out addresses: 20 a minute for the organisation', async () => {
    const id = await make();
    const statuses: number[] = [];
    for (let times = 0; times < 25; times++)
      statuses.push((await acme.call('POST', `/v1/integrations/${id}/checks`)).status);
    assert.ok(statuses.includes(200));
    assert.equal(statuses.at(-1), 429);
    assert.ok(statuses.filter((status) => status === 200).length <= 20);
  });
});
