import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { inTenant, readInSystem } from '../../models/scope.ts';
import { emailHash, listWorkspace, unlistWorkspace } from '../../models/system/workspace.ts';
import { describePerson } from '../../models/tenant/person.ts';
import { callerOf, operator } from '../support/client.ts';
import { everybody, placed, useSharedModels } from '../support/people.ts';
import { hostOf } from '../support/raw.ts';
import { follow, type Member, member, password, type Shown } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';
import { askFor, entries, everywhere, freshAddress, listsTo, listTo } from '../support/workspaces.ts';

const nobody = callerOf();

describe('the index of workspaces', () => {
  before(useSharedModels);

  it('R3.1 lists only what the tenant itself confirms, whatever the index says', async () => {
    const email = freshAddress();
    const [here, left, renamed, blocked] = await everywhere(email, [email, email, email, email]);
    assert.ok(here && left && renamed && blocked);
    await inTenant(await placed(blocked.id), ({ sql }) => sql("UPDATE tenant SET state = 'suspended'"));
    await inTenant(await placed(left.id), ({ sql }) => sql("UPDATE users SET state = 'inactive'"));
    await inTenant(await placed(renamed.id), ({ sql }) =>
      everybody(sql).then(([person]) =>
        describePerson(sql, String(person?.id), { email: 'other@people.example' }),
      ),
    );
    await askFor(email);
    const mail = await listTo(email);
    assert.deepEqual(mail.links, [`http://${hostOf(here.slug)}/`]);
    for (const { slug } of [left, renamed, blocked]) assert.ok(!mail.text.includes(slug));
  });

  it('R3.1 leaves out tenants that are suspended, and lists them again when they are back', async () => {
    const email = freshAddress();
    const [open, closed] = await everywhere(email, [email, email]);
    assert.ok(open && closed);
    const path = `/v1/tenants/${closed.id}/suspension`;
    await follow((await operator().call<Shown>('PUT', path, { reason: 'unpaid' })).body.operation.id);
    await askFor(email);
    assert.deepEqual((await listTo(email)).links, [`http://${hostOf(open.slug)}/`]);
    await follow((await operator().call<Shown>('DELETE', path)).body.operation.id);
    await askFor(email);
    await eventually(async () => assert.equal((await listsTo(email)).at(0)?.links.length, 2));
  });

  it('R3.1 forgets a tenant that is deleted, and one person’s entry when it is taken off', async () => {
    const email = freshAddress();
    const [stays, goes] = await everywhere(email, [email, email]);
    assert.ok(stays && goes);
    const deleted = await operator().call<Shown>('DELETE', `/v1/tenants/${goes.id}?graceSeconds=0`);
    await follow(deleted.body.operation.id);
    assert.deepEqual(await entries(email), [stays.id]);
    await unlistWorkspace(` ${email.toUpperCase()} `, stays.id);
    assert.deepEqual(await entries(email), []);
    await listWorkspace(email, stays.id, 'usr_nobody');
    await askFor(email);
    await pause(500);
    assert.deepEqual(await listsTo(email), []);
  });

  it('R3.1 lists again at the next sign-in what the index has lost', async () => {
    const acme: Member = await member();
    await eventually(async () => assert.equal((await entries(acme.email)).length, 1));
    await unlistWorkspace(acme.email, acme.tenant.id);
    const body = { email: acme.email, password };
    const { status } = await nobody.call('POST', '/v1/sessions', body, { 'x-tenant': acme.tenant.slug });
    assert.equal(status, 201);
    await eventually(async () => assert.deepEqual(await entries(acme.email), [acme.tenant.id]));
  });

  it('R3.1 keeps no address outside the tenants: the index holds a keyed hash and ids', async () => {
    const acme = await member();
    await eventually(async () => assert.equal((await entries(acme.email)).length, 1));
    const [rows = []] = await readInSystem('platform', [
      { text: 'SELECT w::text AS row FROM workspaces w', values: [] },
    ]);
    const text = JSON.stringify(rows);
    assert.ok(text.includes(acme.tenant.id) && !text.includes('@') && !text.includes(acme.tenant.slug));
    assert.match(emailHash(acme.email), /^[0-9a-f]{64}$/);
    assert.equal(emailHash(acme.email), emailHash(` ${acme.email.toUpperCase()}`));
  });
});
