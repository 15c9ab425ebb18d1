import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Route } from '../api/route.ts';
import { routes } from '../api/routes/index.ts';
import { loadConfig } from '../config.ts';
import { openTemporal } from '../temporal/client.ts';
import { operator } from './support/client.ts';
import { handed } from './support/environment.ts';
import { useSharedModels } from './support/people.ts';
import { parametersOf, pathOf } from './support/route-matrix.ts';
import { follow, type Member, member, type Shown } from './support/tenants.ts';
import { type World, worldOf } from './support/world.ts';

/** Strings that stand nowhere but in acme's own data. Wherever else one turns up, something leaked. */
const canary = (what: string) => `canary-${what}-${Math.random().toString(36).slice(2)}`;

describe('what is acme’s', () => {
  let acme: Member;
  let globex: Member;
  let world: World;
  const secrets = {
    name: canary('name'),
    description: canary('description'),
    instructions: canary('instructions'),
    tag: canary('tag'),
    organisation: canary('organisation'),
    reason: canary('reason'),
    setting: 417,
  };
  const canaries = Object.values(secrets).filter((each) => typeof each === 'string');

  before(async () => {
    useSharedModels();
    [acme, globex] = await Promise.all([
      member({ name: secrets.organisation, region: 'eu', settings: { 'sessions.hours': secrets.setting } }),
      member({ region: 'eu' }),
    ]);
    const { name, description, instructions, tag } = secrets;
    world = await worldOf(acme, globex);
    const agent = { name, description, instructions, model: 'demo', tags: [tag] };
    const { body } = await acme.call<{ id: string }>('POST', '/v1/agents', agent);
    world.ids.acme.agentId = body.id;
    canaries.push(acme.email, acme.tenant.slug);
  });

  const clean = (text: string, where: string) => {
    for (const each of canaries) assert.ok(!text.includes(each), `${each} in ${where}`);
  };

  it('R2.1 is read by acme, so that its absence elsewhere means something', async () => {
    const { text } = await acme.call('GET', '/v1/agents');
    for (const each of [secrets.name, secrets.description, secrets.instructions, secrets.tag])
      assert.ok(text.includes(each));
  });

  for (const route of routes.filter((each: Route) => each.method === 'get')) {
    it(`R2.1 is in no answer to globex of get ${route.path}`, async () => {
      for (const whose of parametersOf(route).length > 0
        ? (['own', 'foreign'] as const)
        : (['own'] as const)) {
        const path = pathOf(route, world, whose);
        const { text } = await globex.call('GET', path);
        // One's own question may stand in the answer: ids are no secret, so only the data are looked for.
        clean(text, path);
      }
    });
  }

  it('R2.1 is found by no filter of globex', async () => {
    for (const query of [`name=${secrets.name}`, `tag=${secrets.tag}`, `cursor=${world.ids.acme.agentId}`]) {
      const { text, body } = await globex.call<{ items: { id: string }[] }>('GET', `/v1/agents?${query}`);
      clean(text, query);
      assert.ok(body.items.every((each) => each.id === world.ids.globex.agentId));
    }
  });

  it('R2.1 makes no difference to globex when it takes the same names', async () => {
    const taken = await globex.call('POST', '/v1/agents', { name: secrets.name, model: 'demo' });
    assert.equal(taken.status, 201);
  });

  it('R2.1 is in no mail to anybody else', async () => {
    const { directory } = handed().mailbox;
    let own = 0;
    // Its administrator's and its guest's.
    const address = `@${acme.tenant.slug}.example`;
    for (const name of await readdir(directory)) {
      const text = await readFile(join(directory, name), 'utf8');
      if (text.includes(address)) own++;
      else clean(text, `the mail ${name}`);
    }
    assert.ok(own === 1 || own === 2);
  });

  it('R2.1 is in no history of Temporal, of its own workflows or of others: they hold ids', async () => {
    const path = `/v1/tenants/${acme.tenant.id}`;
    const ask = async (method: string, to: string, body?: unknown) => {
      const reply = await operator().call<Shown>(method, to, body);
      assert.equal(reply.status, 202, reply.text);
      await follow(reply.body.operation.id);
    };
    await ask('PUT', `${path}/suspension`, { reason: secrets.reason });
    await ask('DELETE', `${path}/suspension`);
    await ask('DELETE', `${path}?graceSeconds=1&reason=${secrets.reason}`);

    const { client, connection } = openTemporal(loadConfig(handed().shared.settings).temporal);
    try {
      for (const { tenant } of [acme, globex]) {
        let runs = 0;
        // Its life and one invitation. Executions are listed a moment after they close.
        const expected = tenant === acme.tenant ? 5 : 2;
        const deadline = Date.now() + 15_000;
        while (runs < expected && Date.now() < deadline) {
          runs = 0;
          const query = `WorkflowId STARTS_WITH 'tenant/${tenant.id}/'`;
          for await (const { workflowId, runId } of client.workflow.list({ query })) {
            runs++;
            const handle = client.workflow.getHandle(workflowId, runId);
            const [history, description] = await Promise.all([handle.fetchHistory(), handle.describe()]);
            const text = readable([history, description.raw]);
            assert.ok(text.includes(tenant.id), 'the history was read');
            clean(text, `${workflowId} ${runId}`);
            const personal = /fh_(key|ses|inv)_|correct horse|Ada Admin|\S+@\S+\.example/.exec(text);
            assert.equal(personal?.[0], undefined);
            const other = tenant === acme.tenant ? globex.tenant.id : acme.tenant.id;
            assert.ok(!text.includes(other), 'another tenant’s id');
          }
        }
        assert.equal(runs, expected);
      }
    } finally {
      await connection.close();
    }
  });
});

/** Everything a history holds as one text, payloads decoded: whatever is in it can be found. */
function readable(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (Array.isArray(value)) return value.map(readable).join('\n');
  if (typeof value === 'object' && value !== null)
    return Object.entries(value)
      .map(([name, each]) => `${name}: ${readable(each)}`)
      .join('\n');
  return String(value);
}
