import assert from 'node:assert/strict';
import type { LlmProvider } from '../../api/llm-provider.ts';
import { newId } from '../../models/ids.ts';
import { addKeyVersion } from '../../models/key-change.ts';
import { resealFor, sealedCounts } from '../../models/resealing.ts';
import { untilSealedUnder } from '../support/key-versions.ts';
import { added, ask, ending, usesOf, within } from '../support/llm.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { type KeyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

const path = '/v1/llm-providers';

describe('credentials of model providers', () => {
  let acme: Member;
  let admin: KeyHolder;
  let server: ModelServer;
  before(async () => {
    useSharedModels();
    acme = await member();
    admin = await signedInPerson(acme.tenant.id, 'admin');
  });
  beforeEach(async () => {
    server = await startModelServer('sk-the-old-credential');
  });
  afterEach(() => server.stop());

  const adding = (credential = 'sk-the-old-credential') => added(acme, { baseUrl: server.url, credential });
  const rotating = (id: string, credential: string, more: object = {}) =>
    acme.call<LlmProvider>('POST', `${path}/${id}/credential-rotations`, { credential, ...more });
  const asking = (providerId: string) => ask(admin, { model: 'good', providerId });
  const lastKey = () => server.received.at(-1)?.key;

  it('R6.2 are shown by their last four characters only, and short ones not at all', async () => {
    const made = await adding('sk-secret-that-ends-in-wxyz');
    assert.deepEqual(
      made.credentials.map(({ lastFour, validUntil }) => [lastFour, validUntil]),
      [['wxyz', null]],
    );
    assert.equal((await adding('sk-short')).credentials[0]?.lastFour, '');
  });

  it('R6.2 are exchanged with an overlap: the new one at once, the old one where the new is refused', async () => {
    const { id } = await adding();
    const { status, body } = await rotating(id, 'sk-the-new-credential', { overlapSeconds: 3600 });
    assert.equal(status, 200);
    assert.deepEqual(
      body.credentials.map(({ lastFour, validUntil }) => [lastFour, validUntil !== null]),
      [
        ['tial', false],
        ['tial', true],
      ],
    );
    // The provider does not know the new one yet.
    assert.equal((await asking(id)).text, 'Hello, world');
    assert.deepEqual(
      server.received.map(({ key }) => key),
      ['sk-the-new-credential', 'sk-the-old-credential'],
    );
    assert.deepEqual(
      (await usesOf(acme, { id })).map(({ outcome }) => outcome),
      ['answered', 'credential-refused'],
    );
    server.keys.add('sk-the-new-credential');
    await asking(id);
    assert.equal(lastKey(), 'sk-the-new-credential');
    const shown = await acme.call<LlmProvider>('GET', `${path}/${id}`);
    assert.equal(shown.body.credentials[0]?.refusedAt, null, 'it was accepted since');
  });

  it('R6.2 that were exchanged are erased when the overlap is over', async () => {
    const { id } = await adding();
    await rotating(id, 'sk-the-new-credential', { overlapSeconds: 3600 });
    await within(acme.tenant.id, (sql) =>
      sql(
        'UPDATE llm_credentials SET valid_until = now() WHERE provider_id = $1 AND valid_until IS NOT NULL',
        [id],
      ),
    );
    const { body } = await acme.call<LlmProvider>('GET', `${path}/${id}`);
    assert.equal(body.credentials.length, 1);
    assert.equal(await ending(asking(id)), 'credential-refused');
    assert.equal(lastKey(), 'sk-the-new-credential');
    const rows = await within(acme.tenant.id, (sql) =>
      sql('SELECT number FROM llm_credentials WHERE provider_id = $1', [id]),
    );
    assert.deepEqual(rows, [{ number: 2 }]);
  });

  it('R6.2 without an overlap end at once, and only one ever waits', async () => {
    const { id } = await adding();
    await rotating(id, 'sk-the-second-credential');
    await rotating(id, 'sk-the-third-credential');
    const { body } = await acme.call<LlmProvider>('GET', `${path}/${id}`);
    assert.equal(body.credentials.length, 2);
    assert.equal(await ending(asking(id)), 'credential-refused');
    const last = await rotating(id, 'sk-the-fourth-credential', { overlapSeconds: 0 });
    assert.equal(last.body.credentials.length, 1);
  });

  it('R6.2 go to no other address than they were given for', async () => {
    const { id } = await adding();
    const elsewhere = await startModelServer();
    try {
      const moving = (more: object = {}) =>
        acme.call<{ errors: { pointer: string }[] }>('PATCH', `${path}/${id}`, {
          baseUrl: elsewhere.url,
          ...more,
        });
      const refused = await moving();
      assert.equal(refused.status, 400);
      assert.equal(refused.body.errors[0]?.pointer, '/credential');
      const sameHost = { baseUrl: `${server.url}/v2`, credential: 'sk-by-the-way' };
      assert.equal((await acme.call('PATCH', `${path}/${id}`, sameHost)).status, 400);
      assert.equal((await moving({ credential: 'sk-for-elsewhere-only' })).status, 200);
      await asking(id);
      assert.deepEqual(
        elsewhere.received.map(({ key }) => key),
        ['sk-for-elsewhere-only'],
      );
    } finally {
      await elsewhere.stop();
    }
  });

  it('R6.2 end with their provider', async () => {
    const { id } = await adding();
    await acme.call('DELETE', `${path}/${id}`);
    const rows = await within(acme.tenant.id, (sql) =>
      sql('SELECT number FROM llm_credentials WHERE provider_id = $1', [id]),
    );
    assert.deepEqual(rows, []);
    assert.match(await ending(asking(id)), /There is no model provider/);
  });

  it('R6.2 open nowhere but in their own row', async () => {
    const [one, two] = [await adding(), await adding('sk-another-credential')];
    await within(acme.tenant.id, (sql) =>
      sql(
        `UPDATE llm_credentials SET secret_sealed = other.secret_sealed FROM llm_credentials other
         WHERE llm_credentials.provider_id = $1 AND other.provider_id = $2`,
        [one.id, two.id],
      ),
    );
    await assert.rejects(asking(one.id));
    assert.equal(server.received.length, 0);
    await acme.call('DELETE', `${path}/${one.id}`);
  });

  it('R6.2 are sealed anew with the organisation’s key, and are as good as before', async () => {
    const { id } = await adding();
    const place = await placed(acme.tenant.id);
    const version = await addKeyVersion(place, newId('op'));
    await untilSealedUnder(place, version);
    assert.ok((await resealFor(place, 5_000)).done);
    const counts = await sealedCounts(place, version);
    const sealed = counts.find(({ table }) => table === 'llm_credentials');
    assert.ok(sealed && sealed.rows > 0 && sealed.underOlder === 0, JSON.stringify(sealed));
    assert.equal((await asking(id)).text, 'Hello, world');
  });

  it('R6.2 change together with nothing else, and only in allowed hands', async () => {
    const { id } = await adding();
    const builder = await signedInPerson(acme.tenant.id, 'builder');
    const body = { credential: 'sk-from-a-builder' };
    const refused = await builder.call('POST', `${path}/${id}/credential-rotations`, body);
    assert.equal(refused.status, 403);
    const stale = await acme.call('POST', `${path}/${id}/credential-rotations`, body, { 'if-match': '"9"' });
    assert.equal(stale.status, 412);
    const demo = await added(acme, { kind: 'demo' });
    assert.equal((await rotating(demo.id, 'sk-for-the-demo-server')).status, 400);
  });

  it('R6.2 stay good when many are exchanged at once', async () => {
    const { id } = await adding();
    const names = Array.from({ length: 8 }, (_, at) => `sk-concurrent-credential-${at}`);
    for (const name of names) server.keys.add(name);
    const replies = await Promise.all([
      ...names.map((name) => rotating(id, name)),
      ...names.map(() => asking(id).then(() => ({ status: 200 }))),
    ]);
    assert.ok(replies.every(({ status }) => status === 200));
    const { body } = await acme.call<LlmProvider>('GET', `${path}/${id}`);
    assert.equal(body.credentials.length, 2);
    assert.equal(body.version, 9);
  });
});
