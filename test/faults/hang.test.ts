import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { RunningPostgres } from '../../deploy/embedded/postgres.ts';
import { schemaOf } from '../../models/ids.ts';
import type { Reply } from '../support/client.ts';
import { type Deployment, databasesOf, deploy, ownNamespace } from '../support/deployment.ts';
import { createDatabases, handed, settingsFor } from '../support/environment.ts';
import { postgresNamed } from '../support/equipment.ts';
import { freeze } from '../support/outage.ts';
import { assertTryLater } from '../support/persistence.ts';
import { type Member, member } from '../support/tenants.ts';
import { counted, eventually } from '../support/traces.ts';

type Agent = { id: string; name: string; version: number };

describe('the Postgres of a region hangs: its processes are there and say nothing', () => {
  let directory: string;
  let servers: { eu: RunningPostgres; us: RunningPostgres };
  let freehold: Deployment;
  let near: Member;
  let far: Member;
  let agents: Agent[];
  let thaw: () => void = () => {};

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'freehold-hang-'));
    await chmod(directory, 0o711);
    const [eu, us] = await Promise.all([postgresNamed('eu', directory), postgresNamed('us', directory)]);
    servers = { eu, us };
    const given = { ...handed(), postgres: { eu: eu.url, us: us.url } };
    const names = { system: 'freehold_system', eu: 'freehold_eu_1', us: 'freehold_us_1' };
    await createDatabases(given, names);
    freehold = await deploy(await settingsFor(given, names, ownNamespace()));
    await Promise.all([freehold.api(), freehold.worker()]);
    [near, far] = await Promise.all([member({ region: 'eu' }, freehold), member({ region: 'us' }, freehold)]);
    const made = Array.from({ length: 8 }, (_, at) =>
      far.call<Agent>('POST', '/v1/agents', { name: `agent-${at}`, model: 'demo' }),
    );
    agents = (await Promise.all(made)).map(({ body }) => body);
  });
  after(async () => {
    thaw();
    await freehold.stop();
    await Promise.all([servers.eu.stop(), servers.us.stop()]);
    await rm(directory, { recursive: true, force: true });
  });

  const read = ({ id }: Agent) => far.call<Agent>('GET', `/v1/agents/${id}`);
  const change = ({ id }: Agent, description: string) =>
    far.call<Agent>('PATCH', `/v1/agents/${id}`, { description });

  /** Who waited in line for too long is told so; of the others the database is not there. */
  function assertLater(reply: Reply<unknown>): void {
    if (reply.status === 429) assert.match(reply.text, /too many wait already/);
    else assertTryLater(reply);
  }

  /** Right, or not now; never another's row and never an error that says nothing. */
  function assertOwnOrLater(agent: Agent | undefined, reply: Reply<Agent>): void {
    if (reply.status !== 200) assertLater(reply);
    else assert.deepEqual([reply.body.id, reply.body.name], [agent?.id, agent?.name]);
  }

  const confirmed = new Map<string, number>();
  const interrupted = new Map<string, number>();

  /** Changes an agent until told to stop, and keeps count of what was said about it. */
  async function changing(agent: Agent, stopped: () => boolean): Promise<void> {
    for (let turn = 0; !stopped(); turn++) {
      const reply = await change(agent, `turn ${turn}`);
      assertOwnOrLater(agent, reply);
      const said = reply.status === 200 ? confirmed : interrupted;
      said.set(agent.id, (said.get(agent.id) ?? 0) + 1);
      await pause(20);
    }
  }

  it('R1.4 whoever asks is told to come back while it hangs, those who were on their way as well', async () => {
    let over = false;
    const writers = agents.map((agent) => changing(agent, () => over));
    const readers = agents.map(read);
    await pause(300);
    thaw = await freeze(servers.us);
    const asked = [...agents, ...agents, ...agents, ...agents].map((agent) => ({
      agent,
      reply: read(agent),
    }));
    over = true;
    await Promise.all(writers);
    for (const { reply } of asked) assertLater(await reply);
    for (const [at, reply] of (await Promise.all(readers)).entries()) assertOwnOrLater(agents[at], reply);
    assert.ok([...interrupted.values()].reduce((sum, count) => sum + count, 0) > 0, 'writes were under way');
  });

  it('R1.1 the other region answers meanwhile', async () => {
    assert.equal((await near.call('POST', '/v1/agents', { name: 'near', model: 'demo' })).status, 201);
    assert.equal((await near.call('GET', '/v1/agents')).status, 200);
  });

  it('R1.4 it is served again by the same processes once it goes on, and every row is the one asked for', async () => {
    thaw();
    await eventually(async () => assert.equal((await far.call('GET', '/v1/agents')).status, 200), 15);
    const asked = Array.from({ length: 200 }, (_, at) => agents[at % agents.length] as Agent); // there are eight
    const replies = await Promise.all(asked.map(read));
    for (const [at, reply] of replies.entries()) {
      assert.equal(reply.status, 200, reply.text);
      assertOwnOrLater(asked[at], reply);
    }
  });

  it('R1.1 a write it interrupted was carried out whole and once, or not at all', async () => {
    const url = databasesOf(freehold.settings).us;
    for (const agent of agents) {
      const { body } = await read(agent);
      const changes = body.version - 1;
      const sure = confirmed.get(agent.id) ?? 0;
      assert.ok(changes >= sure, `${sure} changes were confirmed, and ${changes} are there`);
      assert.ok(changes <= sure + (interrupted.get(agent.id) ?? 0));
      const trail = `${schemaOf(far.tenant.id)}.audit_events WHERE subject_id = '${agent.id}' AND action = 'update Agent'`;
      assert.equal((await counted(url, { trail })).trail, changes);
    }
  });
});
