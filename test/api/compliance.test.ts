import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { isHeld } from '../../models/tenant/legal-hold.ts';
import { settingsOf } from '../../models/tenant/settings.ts';
import { operator } from '../support/client.ts';
import { keyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import type { Problem } from '../support/sign-in.ts';
import { type Member, member } from '../support/tenants.ts';

type Conflict = { key: string; packs: string[]; bounds: string[] };
type Change = {
  version: number;
  changes: { key: string; after: { value: unknown; origin: string } }[];
  conflicts: Conflict[];
};
type Pack = { name: string; applied: boolean; conflicts: Conflict[]; rules: { key: string; why: string }[] };
type Hold = { id: string; released: { reason: string } | null };

const reason = 'a test';
const told = async (as: Member, key: string) => {
  const { value, origin } = (await as.call<{ value: unknown; origin: string }>('GET', `/v1/settings/${key}`))
    .body;
  return [value, origin];
};
const put = (as: Member, pack: string, query = '') =>
  as.call<Change & Problem>('PUT', `/v1/compliance-packs/${pack}${query}`, { reason });
const set = (as: Member, key: string, value: unknown) =>
  as.call<Problem>('PUT', `/v1/settings/${key}`, { value, reason });

describe('compliance packs', () => {
  before(() => useSharedModels());

  it('R6.3 compile to settings, shown before they are applied, and give back what was set when taken away', async () => {
    const acme = await member();
    await set(acme, 'retention.runDays', 200);
    await set(acme, 'retention.memoryDays', 10);
    const would = await put(acme, 'gdpr', '?dryRun=true');
    assert.deepEqual(await told(acme, 'retention.runDays'), [200, 'tenant']);
    const keys = would.body.changes.map(({ key }) => key);
    assert.ok(
      keys.includes('retention.runDays') &&
        keys.includes('privacy.redact') &&
        !keys.includes('retention.memoryDays'),
    );
    const applied = await put(acme, 'gdpr');
    assert.deepEqual(applied.body.changes, would.body.changes);
    assert.deepEqual(await told(acme, 'retention.runDays'), [90, 'pack:gdpr']);
    assert.deepEqual(await told(acme, 'retention.memoryDays'), [10, 'tenant']);
    assert.deepEqual(await told(acme, 'llm.allowedRegions'), [['EU'], 'pack:gdpr']);
    const settings = await settingsOf(await placed(acme.tenant.id));
    assert.deepEqual(settings.get('privacy.redact').toSorted(), ['logs', 'prompts']);
    await acme.call('DELETE', '/v1/compliance-packs/gdpr', { reason });
    assert.deepEqual(await told(acme, 'retention.runDays'), [200, 'tenant']);
  });

  it('R6.3 let nobody be laxer while they are applied, name themselves, and let everybody be stricter', async () => {
    const acme = await member();
    await put(acme, 'strict');
    for (const [key, value] of [
      ['retention.runDays', 31],
      ['retention.runDays', null],
      ['egress.allowedPorts', [443, 80]],
      ['privacy.redact', ['logs']],
      ['retention.auditDays', 100],
      ['runs.maxDepth', 4],
    ] as const) {
      const refused = await set(acme, key, value);
      assert.equal(refused.status, 400, `${key} ${value}`);
      assert.match(refused.body.errors?.[0]?.detail ?? '', /the pack strict/);
    }
    for (const [key, value] of [
      ['retention.runDays', 3],
      ['retention.auditDays', 1_000],
      ['retention.auditDays', null],
      ['runs.maxDepth', 1],
    ] as const)
      assert.equal((await set(acme, key, value)).status, 200, key);
  });

  it('R6.3 hold agents to themselves as well, whatever they said before', async () => {
    const acme = await member();
    const agent = await acme.call<{ id: string }>('POST', '/v1/agents', { name: 'Own', model: 'demo' });
    const of = `?agent=${agent.body.id}`;
    await acme.call('PUT', `/v1/settings/egress.allowedPorts${of}`, { value: [25], reason });
    await put(acme, 'strict');
    const held = await acme.call<{ value: unknown; origin: string }>(
      'GET',
      `/v1/settings/egress.allowedPorts${of}`,
    );
    assert.deepEqual([held.body.value, held.body.origin], [[], 'pack:strict']);
    const refused = await acme.call<Problem>('PUT', `/v1/settings/egress.allowedPorts${of}`, {
      value: [25, 26],
      reason,
    });
    assert.equal(refused.status, 400);
  });

  it('R6.3 list what no settings could be within together, and are refused for it', async () => {
    const acme = await member();
    await put(acme, 'gdpr');
    const { body } = await acme.call<{ items: Pack[] }>('GET', '/v1/compliance-packs');
    const hipaa = body.items.find(({ name }) => name === 'hipaa');
    assert.deepEqual(hipaa?.conflicts.map(({ key }) => key).toSorted(), [
      'llm.allowedRegions',
      'retention.auditDays',
    ]);
    assert.ok(hipaa?.rules.every(({ why }) => why.length > 0));
    const dry = await put(acme, 'hipaa', '?dryRun=true');
    assert.deepEqual([dry.status, dry.body.conflicts], [200, hipaa?.conflicts]);
    const refused = await acme.call<Problem & { conflicts: Conflict[] }>(
      'PUT',
      '/v1/compliance-packs/hipaa',
      { reason },
    );
    assert.deepEqual([refused.status, refused.body.conflicts], [409, hipaa?.conflicts]);
    const strict = await put(acme, 'strict');
    assert.deepEqual([strict.status, strict.body.conflicts], [200, []]);
    assert.deepEqual(await told(acme, 'retention.runDays'), [30, 'pack:strict']);
  });
});

describe('legal holds', () => {
  before(() => useSharedModels());

  it('R6.3 are made by administrators and released by the owner alone, each with a reason that stays', async () => {
    const acme = await member();
    const made = await acme.call<Hold>('POST', '/v1/legal-holds', { class: 'memory', reason: 'a suit' });
    assert.equal(made.status, 201, made.text);
    const path = `/v1/legal-holds/${made.body.id}`;
    const admin = await keyHolder(acme.tenant.id, 'admin');
    assert.equal((await admin.call('POST', `${path}/release`, { reason: 'settled' })).status, 403);
    const held = (kind: 'memory' | 'runs') =>
      placed(acme.tenant.id).then((place) => inTenant(place, ({ sql }) => isHeld(sql, { class: kind })));
    assert.deepEqual([await held('memory'), await held('runs')], [true, false]);
    const released = await acme.call<Hold>('POST', `${path}/release`, { reason: 'settled' });
    assert.equal(released.body.released?.reason, 'settled');
    assert.equal(await held('memory'), false);
    assert.equal((await acme.call('POST', `${path}/release`, { reason: 'again' })).status, 409);
    const active = await acme.call<{ items: Hold[] }>('GET', '/v1/legal-holds?active=true');
    assert.deepEqual(active.body.items, []);
    const trail = await acme.call<{ items: { action: string; reason: string }[] }>(
      'GET',
      '/v1/audit-events?subjectType=LegalHold&outcome=done',
    );
    assert.deepEqual(
      trail.body.items.map(({ action, reason: why }) => [action, why]),
      [
        ['delete LegalHold', 'settled'],
        ['create LegalHold', 'a suit'],
      ],
    );
  });

  it('R6.3 win over whoever removes what the held goes with: an agent with its memory', async () => {
    const acme = await member();
    const { id } = (await acme.call<{ id: string }>('POST', '/v1/agents', { name: 'Held', model: 'm' })).body;
    await acme.call('POST', `/v1/agents/${id}/memories`, { text: 'the boat is blue' });
    const removed = () => acme.call<Problem>('DELETE', `/v1/agents/${id}`, undefined, { 'If-Match': '"1"' });
    const { body: hold } = await acme.call<Hold>('POST', '/v1/legal-holds', { class: 'memory', reason });
    const refused = await removed();
    assert.deepEqual([refused.status, refused.body.code], [409, 'conflict']);
    assert.match(refused.body.detail, /keeps the memories of this agent/);
    await acme.call('POST', `/v1/legal-holds/${hold.id}/release`, { reason });
    assert.equal((await removed()).status, 204);
  });

  it('R6.3 win over whoever removes a person or deletes the organisation, operators included', async () => {
    const acme = await member();
    const person = await signedInPerson(acme.tenant.id, 'viewer');
    const made = await acme.call<Hold>('POST', '/v1/legal-holds', { subjectId: person.id, reason: 'a suit' });
    const removed = await acme.call<Problem>('DELETE', `/v1/users/${person.id}`);
    assert.equal(removed.status, 409);
    assert.match(removed.body.detail, /legal hold keeps the sessions/);
    for (const query of ['', '?dryRun=true']) {
      const deleted = await operator().call<Problem>('DELETE', `/v1/tenants/${acme.tenant.id}${query}`);
      assert.equal(deleted.status, 409, deleted.text);
      assert.match(deleted.body.detail, /Legal holds \(1\)/);
    }
    await acme.call('POST', `/v1/legal-holds/${made.body.id}/release`, { reason: 'settled' });
    assert.equal((await acme.call('DELETE', `/v1/users/${person.id}`)).status, 204);
    const dry = await operator().call('DELETE', `/v1/tenants/${acme.tenant.id}?dryRun=true`);
    assert.equal(dry.status, 200, dry.text);
  });
});
