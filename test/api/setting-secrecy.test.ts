import assert from 'node:assert/strict';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { settingsOf } from '../../models/tenant/settings.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

const reason = 'a test';
const list = async (as: Member) => (await as.call('GET', '/v1/settings?effective=true')).text;
const patch = (as: Member, set: object) => as.call('PATCH', '/v1/settings', { set, reason });

describe('what is in the settings book', () => {
  before(() => useSharedModels());

  it('R6.1 keeps what is sensitive under the tenant’s key, uses it, and never shows it again', async () => {
    const acme = await member();
    const secret = 'Project Moonraker';
    assert.equal((await patch(acme, { 'privacy.terms': [secret] })).status, 200);
    await patch(acme, { 'runs.maxSteps': 9 });
    const place = await placed(acme.tenant.id);
    assert.deepEqual((await settingsOf(place)).get('privacy.terms'), [secret]);
    const paths = [
      'settings?effective=true',
      'settings/privacy.terms',
      'settings/versions',
      'settings/versions/1',
      'audit-events',
    ];
    for (const path of paths) {
      const { text, status } = await acme.call('GET', `/v1/${path}`);
      assert.equal(status, 200);
      assert.ok(!text.includes('Moonraker'), path);
    }
    const rows = await inTenant(place, ({ sql }) =>
      sql<{ number: number; document: object; sealed_document: Buffer }>(
        'SELECT * FROM setting_versions ORDER BY number',
      ),
    );
    assert.ok(!JSON.stringify(rows).includes('Moonraker'));
    // Sealed for its own version: put into another row it does not open.
    const keyring = await keyringOf(place);
    const [first] = rows;
    assert.ok(first);
    assert.throws(() => keyring.open('setting_versions.sealed_document', '2', first.sealed_document));
  });

  it('R6.1 moves nothing of another organisation’s settings', async () => {
    const [acme, globex] = [await member(), await member()];
    const hash = async () => {
      const [row] = await inTenant(await placed(globex.tenant.id), ({ sql }) =>
        sql<{ hash: string }>(
          "SELECT md5(coalesce(string_agg(v::text, '|' ORDER BY number), '')) AS hash FROM setting_versions v",
        ),
      );
      return [row?.hash, await list(globex)];
    };
    await patch(globex, { 'runs.maxSteps': 12, 'egress.allowedHosts': ['api.example.com'] });
    const before = await hash();
    await patch(acme, {
      'runs.maxSteps': 13,
      'egress.allowedHosts': ['*.example.org'],
      'privacy.terms': ['Blue'],
    });
    await acme.call('PUT', '/v1/compliance-packs/strict', { reason });
    await acme.call('POST', '/v1/settings/versions/1/rollback', { reason });
    assert.deepEqual(await hash(), before);
  });
});
