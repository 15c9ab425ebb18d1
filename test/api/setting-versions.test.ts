import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { placed, useSharedModels } from '../support/people.ts';
import type { Problem } from '../support/sign-in.ts';
import { follow, type Member, member } from '../support/tenants.ts';

type Version = {
  id: number;
  settings: Record<string, unknown>;
  author: { kind: string; id: string };
  reason: string;
  cause: string;
  at: string;
  changes: {
    key: string;
    before: { set: boolean; value: unknown };
    after: { set: boolean; value: unknown };
  }[];
};
type Scheduled = {
  id: string;
  operationId: string;
  state: string;
  version: number | null;
  outcome: string | null;
};

const patch = (as: Pick<Member, 'call'>, set: object, reason: string, headers = {}) =>
  as.call<{ version: number } & Problem>('PATCH', '/v1/settings', { set, reason }, headers);
const version = async (as: Member, number: number) =>
  (await as.call<Version>('GET', `/v1/settings/versions/${number}`)).body;

describe('versions of settings', () => {
  before(() => useSharedModels());

  it('R6.5 tell who changed what, when and why, each with what was before', async () => {
    const acme = await member();
    await patch(acme, { 'runs.maxSteps': 10 }, 'less');
    await patch(acme, { 'runs.maxSteps': 20, 'runs.maxDepth': 2 }, 'more');
    const { changes, author, reason, cause } = await version(acme, 2);
    assert.deepEqual([author.kind, reason, cause], ['user', 'more', 'change']);
    assert.deepEqual(changes, [
      { key: 'runs.maxSteps', before: { set: true, value: 10 }, after: { set: true, value: 20 } },
      { key: 'runs.maxDepth', before: { set: false, value: null }, after: { set: true, value: 2 } },
    ]);
    const all = await acme.call<{ items: Version[] }>('GET', '/v1/settings/versions?limit=1');
    assert.deepEqual(
      all.body.items.map(({ id }) => id),
      [2],
    );
    const of = async (key: string) =>
      (await acme.call<{ items: Version[] }>('GET', `/v1/settings/${key}/versions`)).body.items.map(
        ({ id }) => id,
      );
    assert.deepEqual(
      [await of('runs.maxSteps'), await of('runs.maxDepth'), await of('runs.maxTokens')],
      [[2, 1], [2], []],
    );
    const [event] = await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql<{ reason: string; details: { changes: unknown[] } }>(
        "SELECT reason, details FROM audit_events WHERE action = 'update Setting' AND outcome = 'done' ORDER BY seq DESC LIMIT 1",
      ),
    );
    assert.deepEqual([event?.reason, event?.details.changes.length], ['more', 2]);
  });

  it('R6.5 are gone back to by a new version, which is judged by what holds now', async () => {
    const acme = await member();
    await patch(acme, { 'egress.allowedPorts': [80, 443], 'privacy.terms': ['Moonraker'] }, 'open');
    await patch(acme, { 'egress.allowedPorts': [443], 'privacy.terms': [] }, 'closed');
    const dry = await acme.call('POST', '/v1/settings/versions/1/rollback?dryRun=true', { reason: 'back' });
    assert.equal(dry.status, 200, dry.text);
    const back = await acme.call<{ version: number }>('POST', '/v1/settings/versions/1/rollback', {
      reason: 'back',
    });
    assert.equal(back.body.version, 3);
    const { settings, cause } = await version(acme, 3);
    assert.deepEqual([settings['egress.allowedPorts'], cause], [[80, 443], 'rollback']);
    await acme.call('POST', '/v1/settings/versions/2/rollback', { reason: 'forth' });
    await acme.call('PUT', '/v1/compliance-packs/strict', { reason: 'be strict' });
    const refused = await acme.call<Problem>('POST', '/v1/settings/versions/1/rollback', { reason: 'back' });
    assert.equal(refused.status, 400, refused.text);
    assert.match(refused.body.errors?.[0]?.detail ?? '', /the pack strict/);
  });

  it('R6.5 let one of two who saw the same one win, and tell the other', async () => {
    const acme = await member();
    const { headers } = await acme.call('GET', '/v1/settings');
    const seen = { 'if-match': String(headers.etag) };
    const both = await Promise.all(
      [10, 20, 30].map((steps) => patch(acme, { 'runs.maxSteps': steps }, 'race', seen)),
    );
    assert.deepEqual(both.map(({ status }) => status).toSorted(), [200, 412, 412]);
    const one = await acme.call('GET', '/v1/settings/runs.maxSteps');
    assert.equal(one.headers.etag, '"1"');
    const [won] = both.filter(({ status }) => status === 200);
    assert.equal(won?.headers.etag, '"1"');
  });

  it('R6.5 come into force at a time that was given, in the name of who gave it', async () => {
    const acme = await member();
    const at = new Date(Date.now() + 1_500).toISOString();
    const asked = { set: { 'runs.maxSteps': 33 }, reason: 'tonight', at };
    const made = await acme.call<Scheduled>('POST', '/v1/settings/scheduled-changes', asked);
    assert.deepEqual([made.status, made.body.state], [202, 'waiting'], made.text);
    const path = `/v1/settings/scheduled-changes/${made.body.id}`;
    assert.equal((await acme.call<{ value: number }>('GET', '/v1/settings/runs.maxSteps')).body.value, 1_000);
    assert.equal((await follow(made.body.operationId)).state, 'succeeded');
    const { state, version: number } = (await acme.call<Scheduled>('GET', path)).body;
    assert.deepEqual([state, number], ['applied', 1]);
    assert.ok((await version(acme, 1)).at >= at);
    assert.equal((await acme.call('DELETE', path)).status, 409);
  });

  it('R6.5 can be called off while they wait, and cannot be given a time that is over', async () => {
    const acme = await member();
    const asked = (ms: number, set: object = { 'runs.maxSteps': 33 }) =>
      acme.call<Scheduled & Problem>('POST', '/v1/settings/scheduled-changes', {
        set,
        reason: 'later',
        at: new Date(Date.now() + ms).toISOString(),
      });
    const { body } = await asked(3_600_000);
    const off = await acme.call<Scheduled>('DELETE', `/v1/settings/scheduled-changes/${body.id}`);
    assert.deepEqual([off.status, off.body.state], [200, 'called-off']);
    assert.equal((await follow(body.operationId)).state, 'succeeded');
    assert.equal((await asked(-1_000)).body.errors?.[0]?.pointer, '/at');
    assert.equal(
      (await asked(3_600_000, { 'runs.maxSteps': 0 })).body.errors?.[0]?.pointer,
      '/set/runs.maxSteps',
    );
    assert.equal((await acme.call<{ version: number }>('GET', '/v1/settings')).body.version, 0);
  });
});
