import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { runEventChannel } from '../../models/tenant/run-event.ts';
import { asked } from '../support/catalogue.ts';
import { callerOf } from '../support/client.ts';
import { ended, lastOf, type Reader, reads, told } from '../support/event-reader.ts';
import { keyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { happen, storedRun } from '../support/stored-runs.ts';
import { type Member, sharedUrl, twoTenants } from '../support/tenants.ts';

type Page = {
  items: { seq: number; at: string; kind: string; data: object }[];
  nextAfter: number | null;
  state: string;
};

const pathOf = (runId: string, more = '') => `/v1/runs/${runId}/events${more}`;
const kinds = ({ events }: Reader) => events.map(({ event }) => event);

describe('events of a run', () => {
  let acme: Member;
  let globex: Member;
  let me: string;
  const leaving: Reader[] = [];

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
    me = (await acme.call<{ id: string }>('GET', '/v1/me')).body.id;
  });

  afterEach(() => {
    for (const reader of leaving.splice(0)) reader.leave();
  });

  async function watching(runId: string, token = acme.token, headers = {}, more = ''): Promise<Reader> {
    const reader = await reads(`${sharedUrl()}${pathOf(runId, more)}`, token, headers);
    leaving.push(reader);
    return reader;
  }

  const tell = (runId: string, text: string) =>
    happen(acme.tenant.id, runId, { events: [{ kind: 'step.started', path: 'a', data: { text } }] });

  it('R2.3 come live, in order, and end with the run', async () => {
    const runId = await storedRun(acme.tenant.id, me);
    const reader = await watching(runId);
    assert.equal(reader.status, 200);
    assert.match(String(reader.headers['content-type']), /^text\/event-stream/);
    await told(reader, 1);
    const before = performance.now();
    await happen(acme.tenant.id, runId, { state: 'running' });
    await told(reader, 2);
    assert.ok(performance.now() - before < 900, 'it was told, not polled for');
    await tell(runId, 'hello\nworld');
    await happen(acme.tenant.id, runId, { state: 'succeeded', output: 1 });
    await ended(reader);
    assert.deepEqual(kinds(reader), ['run.state', 'run.state', 'step.started', 'run.state', 'end']);
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      ['1', '2', '3', '4', undefined],
    );
    assert.deepEqual(reader.events[2]?.said.data, { text: 'hello\nworld' });
    assert.deepEqual(lastOf(reader)?.said, {
      reason: 'run-ended',
      detail: 'The run has ended.',
      state: 'succeeded',
    });
  });

  it('R2.3 tell the moment to the millisecond, so that steps can be told apart', async () => {
    const runId = await storedRun(acme.tenant.id, me);
    for (const text of ['a', 'b', 'c']) await tell(runId, text);
    const { items } = (await acme.call<Page>('GET', pathOf(runId))).body;
    assert.ok(items.some(({ at }) => !at.endsWith('.000Z')));
  });

  it('R2.3 go on after the last one a reader had, without a gap and without one twice', async () => {
    const runId = await storedRun(acme.tenant.id, me);
    for (const text of ['a', 'b', 'c']) await tell(runId, text);
    const reader = await watching(runId, acme.token, { 'last-event-id': '2' });
    await told(reader, 2);
    await tell(runId, 'd');
    await told(reader, 3);
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      ['3', '4', '5'],
    );
    const odd = await watching(runId, acme.token, { 'last-event-id': 'x' });
    assert.equal(odd.status, 400);
  });

  it('R2.3 tell a browser not to come back to a run that is over', async () => {
    const runId = await storedRun(acme.tenant.id, me);
    await happen(acme.tenant.id, runId, { state: 'cancelled' });
    const reader = await watching(runId, acme.token, { 'last-event-id': '2' });
    assert.equal(reader.status, 204);
  });

  it('R2.3 come as pages of JSON to whoever asks for those', async () => {
    const runId = await storedRun(acme.tenant.id, me);
    for (const text of ['a', 'b']) await tell(runId, text);
    const first = await acme.call<Page>('GET', pathOf(runId, '?limit=2'));
    assert.deepEqual(
      first.body.items.map(({ seq }) => seq),
      [1, 2],
    );
    assert.equal(first.body.nextAfter, 2);
    const second = await acme.call<Page>('GET', pathOf(runId, '?after=2'));
    assert.deepEqual(
      second.body.items.map(({ data }) => data),
      [{ text: 'b' }],
    );
    await happen(acme.tenant.id, runId, { state: 'failed' });
    const over = await acme.call<Page>('GET', pathOf(runId, '?after=3'));
    assert.deepEqual([over.body.nextAfter, over.body.state], [null, 'failed']);
  });

  it('R2.3 of another organisation’s run are not there, live or as pages', async () => {
    const runId = await storedRun(acme.tenant.id, me);
    const theirs = await watching(runId, globex.token);
    assert.equal(theirs.status, 404);
    assert.equal((await globex.call('GET', pathOf(runId))).status, 404);
    assert.equal((await watching(newId('run'))).status, 404);
  });

  it('R2.3 stop within seconds of a credential’s end, though nothing happens', async function () {
    this.timeout(30_000);
    const runId = await storedRun(acme.tenant.id, me);
    const person = await signedInPerson(acme.tenant.id, 'viewer');
    const reader = await watching(runId, person.token);
    await told(reader, 1);
    await person.call('DELETE', '/v1/sessions/current');
    const since = performance.now();
    await ended(reader);
    assert.ok(performance.now() - since < 7_000, `${performance.now() - since} ms`);
    assert.equal(lastOf(reader)?.said.reason, 'access-ended');
  });

  it('R2.3 are not sent any more once a role is taken away, not even the next one', async () => {
    const runId = await storedRun(acme.tenant.id, me);
    const person = await signedInPerson(acme.tenant.id, 'viewer');
    const reader = await watching(runId, person.token);
    await told(reader, 1);
    const taken = await acme.call('DELETE', `/v1/users/${person.id}/roles/viewer`);
    assert.ok(taken.status < 300, taken.text);
    await tell(runId, 'canary');
    await ended(reader);
    assert.deepEqual(kinds(reader), ['run.state', 'end']);
  });

  it('R2.3 are a reader’s by their rules: what is not theirs is not there', async () => {
    const name = 'own-runs';
    const rules = [{ effect: 'allow', action: 'read', subject: 'Run', when: { ownerId: 'me' } }];
    await acme.call('POST', '/v1/roles', { name, title: 'Own runs', rules });
    const person = await signedInPerson(acme.tenant.id);
    await acme.call('PUT', `/v1/users/${person.id}/roles/${name}`);
    const theirs = await storedRun(acme.tenant.id, person.id);
    assert.equal((await watching(theirs, person.token)).status, 200);
    assert.equal((await watching(await storedRun(acme.tenant.id, me), person.token)).status, 404);
  });

  it('R2.3 take one connection to listen for however many readers', async () => {
    const runId = await storedRun(acme.tenant.id, me);
    const readers = await Promise.all(Array.from({ length: 40 }, () => watching(runId)));
    await Promise.all(readers.map((reader) => told(reader, 1)));
    const listening = await asked(
      `SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN ${runEventChannel}' AND datname = current_database()`,
    );
    assert.equal(listening.length, 1);
    await tell(runId, 'to all');
    await Promise.all(readers.map((reader) => told(reader, 2)));
  });

  it('R2.3 come though the connection that is listened on is lost, again and again', async () => {
    const runId = await storedRun(acme.tenant.id, me);
    const reader = await watching(runId);
    await told(reader, 1);
    for (let round = 1; round <= 3; round++) {
      await asked(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN ${runEventChannel}' AND datname = current_database()`,
      );
      await tell(runId, `round ${round}`);
      await told(reader, 1 + round);
    }
    assert.deepEqual(
      reader.events.map(({ id }) => id),
      ['1', '2', '3', '4'],
    );
  });

  it('R2.3 let go of a reader who takes nothing, and tell why', async function () {
    this.timeout(60_000);
    const runId = await storedRun(acme.tenant.id, me);
    const text = 'x'.repeat(200_000);
    for (let i = 0; i < 100; i++) await tell(runId, text);
    const slow = await watching(runId);
    slow.incoming.pause();
    const since = performance.now();
    // What waits in the sockets between is a few megabytes; after that nothing more is taken.
    await new Promise((resolve) => setTimeout(resolve, 13_000));
    slow.incoming.resume();
    await ended(slow);
    assert.ok(slow.events.length < 100, `${slow.events.length} events were kept for it`);
    assert.ok(performance.now() - since < 30_000);
  });

  it('R2.3 are for somebody with a credential', async () => {
    const runId = await storedRun(acme.tenant.id, me);
    assert.equal((await callerOf().call('GET', pathOf(runId))).status, 401);
    const key = await keyHolder(acme.tenant.id);
    assert.equal((await key.call('GET', pathOf(runId))).status, 404);
  });
});
