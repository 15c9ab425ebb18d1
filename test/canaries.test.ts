import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pg from 'pg';
import type { Route } from '../api/route.ts';
import { routes } from '../api/routes/index.ts';
import { loadConfig } from '../config.ts';
import { openTemporal } from '../temporal/client.ts';
import { operator } from './support/client.ts';
import { handed } from './support/environment.ts';
import { filesUnder } from './support/files.ts';
import { useSharedModels } from './support/people.ts';
import { parametersOf, pathOf } from './support/route-matrix.ts';
import { follow, type Member, member, password, type Shown } from './support/tenants.ts';
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
  const personal = {
    name: canary('person'),
    guest: '',
    guestName: canary('guest-name'),
    secret: '',
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
    personal.guest = `${canary('guest')}@${acme.tenant.slug}.example`;
    await acme.call('PATCH', '/v1/me', { name: personal.name }, { 'idempotency-key': personal.name });
    await acme.call(
      'POST',
      '/v1/invitations',
      { email: personal.guest, name: personal.guestName, roles: ['viewer'] },
      {
        'idempotency-key': canary('key'),
      },
    );
    const factor = await acme.call<{ secret: string }>('POST', '/v1/me/second-factor', {
      currentPassword: password,
    });
    assert.ok(factor.body.secret);
    personal.secret = factor.body.secret;
  });

  it('R2.5 is in no file of the databases, no write-ahead log and no log, where it tells who somebody is', async () => {
    for (const url of Object.values(handed().postgres)) {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query('CHECKPOINT');
      await client.end();
    }
    const wanted = [acme.email, ...Object.values(personal)].map((text) =>
      Buffer.from(text).toString('latin1'),
    );
    let read = 0;
    let tenants = 0;
    for (const folder of [handed().directory, ...handed().shared.logs.map(dirname)]) {
      for await (const { path, bytes } of filesUnder(folder)) {
        // A mail is to the person; everything else is not.
        if (path.startsWith(handed().mailbox.directory)) continue;
        read += bytes.length;
        if (bytes.includes(acme.tenant.id)) tenants++;
        for (const each of wanted) assert.ok(!bytes.includes(each), `${each} in ${path}`);
      }
    }
    assert.ok(read > 50_000_000 && tenants > 3, 'what is written was read');
  }).timeout(600_000);

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
    // Its administrator's and its guests'.
    const address = `@${acme.tenant.slug}.example`;
    for (const name of await readdir(directory)) {
      const text = await readFile(join(directory, name), 'utf8');
      if (text.includes(address)) own++;
      else clean(text, `the mail ${name}`);
    }
    assert.ok(own === 2 || own === 3);
  });

  it('R2.1 is in no history of Temporal, of its own workflows or of others: they hold ids', async () => {
    const path = `/v1/tenants/${acme.tenant.id}`;
    const ask = async (method: string, to: string, body?: unknown) => {
      const reply = await operator().call<Shown>(method, to, body);
      assert.equal(reply.status, 202, reply.text);
      await follow(reply.body.operation.id);
    };
    // What is held is not deleted.
    const release = `/v1/legal-holds/${world.ids.acme.holdId}/release`;
    const { status, text } = await acme.call('POST', release, { reason: secrets.reason });
    assert.equal(status, 200, text);
    await ask('PUT', `${path}/suspension`, { reason: secrets.reason });
    await ask('DELETE', `${path}/suspension`);
    await ask('DELETE', `${path}?graceSeconds=1&reason=${secrets.reason}`);

    const { client, connection } = openTemporal(loadConfig(handed().shared.settings).temporal);
    try {
      for (const { tenant } of [acme, globex]) {
        let kinds: string[] = [];
        // Its life, its invitations and its settings that change later. Executions are listed a moment after they close.
        const expected = ['change-settings', 'invite-user', 'lifecycle', 'raise-quota'];
        if (tenant === acme.tenant) expected.push('invite-user', 'lifecycle', 'lifecycle', 'lifecycle');
        const deadline = Date.now() + 15_000;
        while (kinds.length < expected.length && Date.now() < deadline) {
          kinds = [];
          const query = `WorkflowId STARTS_WITH 'tenant/${tenant.id}/'`;
          for await (const { workflowId, runId } of client.workflow.list({ query })) {
            kinds.push(workflowId.split('/')[2] ?? '');
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
        assert.deepEqual(kinds.sort(), expected.sort());
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
