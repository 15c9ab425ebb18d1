import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { callerOf } from '../support/client.ts';
import { handed } from '../support/environment.ts';
import { freePort } from '../support/equipment.ts';
import { type Running, startApi } from '../support/installation.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { postFrom, resetToken, signIn, signInFrom } from '../support/sign-in.ts';
import { type Member, member, sharedUrl } from '../support/tenants.ts';

const wrong = 'not the password';

/** Statuses in order, counted: [[401, 10], [429, 2]]. */
const counted = (statuses: unknown[]) =>
  [...Map.groupBy(statuses, (status) => status)].map(([status, all]) => [status, all.length]);

async function guess(
  tenant: Member['tenant'],
  email: string,
  times: number,
  from?: string,
): Promise<number[]> {
  const statuses: number[] = [];
  for (let at = 0; at < times; at++) {
    const claim = { email, password: wrong };
    statuses.push((await (from ? signInFrom(from, tenant, claim) : signIn(tenant, claim))).status);
  }
  return statuses;
}

/** As if that much time had passed. */
async function later(tenantId: string, minutes: number): Promise<void> {
  await inTenant(await placed(tenantId), ({ sql }) =>
    sql('UPDATE sign_in_failures SET since = since - make_interval(mins => $1)', [minutes]),
  );
}

describe('sign-in by guessing', () => {
  before(() => useSharedModels());

  it('R4.1 is refused after ten failures from one place, the right password as well, until a while has passed', async () => {
    const { tenant, email } = await member();
    assert.deepEqual(counted(await guess(tenant, email, 12)), [
      [401, 10],
      [429, 2],
    ]);
    const right = await signInFrom('127.0.0.1', tenant, { email });
    assert.equal(right.status, 429);
    assert.equal(right.code, 'rate-limited');
    const noted = await inTenant(await placed(tenant.id), ({ sql }) =>
      sql("SELECT rule FROM audit_events WHERE outcome = 'refused' ORDER BY seq"),
    );
    assert.deepEqual(counted(noted.map(({ rule }) => rule)), [
      ['password', 10],
      ['too many failed attempts', 3],
    ]);
    assert.ok(right.retryAfter > 0 && right.retryAfter <= 15 * 60);
    await later(tenant.id, 16);
    assert.equal((await signIn(tenant, { email })).status, 201);
  });

  it('R4.1 answers alike, in status, body and headers, for an address that nobody has', async () => {
    const { tenant, email } = await member();
    const ask = (address: string) =>
      signIn(tenant, { email: address, password: wrong }, { 'x-request-id': 'same-request' });
    for (let tries = 0; tries < 12; tries++) {
      const [known, unknown] = [await ask(email), await ask(`nobody@${tenant.slug}.example`)];
      assert.equal(known.status, unknown.status);
      assert.equal(known.text.replace(/wait \d+/, ''), unknown.text.replace(/wait \d+/, ''));
      assert.deepEqual(Object.keys(known.headers).sort(), Object.keys(unknown.headers).sort());
    }
  });

  it('R4.1 from many places is refused after fifty failures, but never where the owner is known', async () => {
    const { tenant, email } = await member();
    const statuses: number[] = [];
    for (let place = 2; place <= 8; place++)
      statuses.push(...(await guess(tenant, email, 8, `127.0.${place}.1`)));
    assert.deepEqual(counted(statuses), [
      [401, 50],
      [429, 6],
    ]);
    const elsewhere = await signInFrom('127.0.99.1', tenant, { email });
    assert.equal(elsewhere.status, 429, 'a place nobody knows, with the right password');
    assert.equal(
      (await signInFrom('127.0.0.1', tenant, { email })).status,
      201,
      'where the owner signed in before',
    );
    await later(tenant.id, 61);
    assert.equal((await signInFrom('127.0.99.1', tenant, { email })).status, 201);
  }).timeout(90_000);

  it('R4.1 cannot keep out whoever reads the person’s mail', async () => {
    const { tenant, email } = await member();
    const away = '127.0.77.1';
    assert.deepEqual(counted(await guess(tenant, email, 11, away)), [
      [401, 10],
      [429, 1],
    ]);
    await callerOf().call('POST', '/v1/password-resets', { email }, { 'x-tenant': tenant.slug });
    const chosen = { password: 'violet trombone escalator' };
    const path = `/v1/password-resets/${await resetToken(email)}`;
    assert.equal((await postFrom(away, path, chosen, tenant)).status, 204);
    assert.equal((await signInFrom(away, tenant, { email, ...chosen })).status, 201);
  });

  it('R4.1 that ends in the right password is forgiven', async () => {
    const { tenant, email } = await member();
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(counted(await guess(tenant, email, 9)), [[401, 9]]);
      assert.equal((await signIn(tenant, { email })).status, 201);
    }
  });

  it('R4.1 in one organisation says nothing of the same address in another', async () => {
    const [acme, globex] = await Promise.all([member(), member()]);
    await guess(acme.tenant, globex.email, 12);
    assert.equal((await signIn(globex.tenant, globex)).status, 201);
  });

  it('R4.1 leaves nothing behind that names whom it was tried on', async () => {
    const { tenant, email } = await member();
    await guess(tenant, email, 2);
    await guess(tenant, `stranger@${tenant.slug}.example`, 2);
    const rows = await inTenant(await placed(tenant.id), async ({ sql }) => [
      await sql('SELECT * FROM sign_in_failures'),
      await sql("SELECT * FROM audit_events WHERE actor->>'kind' = 'anonymous'"),
      await sql('SELECT place FROM sign_in_places'),
    ]);
    assert.doesNotMatch(JSON.stringify(rows), /@|admin|stranger|127\.0\.0\.1[^"]*place/);
  });

  describe('at two API processes', () => {
    let second: Running;
    let url: string;

    before(async () => {
      const [port, metrics] = await Promise.all([freePort(), freePort()]);
      url = `http://127.0.0.1:${port}`;
      second = await startApi({
        ...handed().shared.settings,
        FREEHOLD_HTTP_PORT: String(port),
        FREEHOLD_METRICS_PORT: String(metrics),
        FREEHOLD_PUBLIC_URL: url,
      });
    });
    after(() => second.stop());

    it('R4.1 is counted together, however many come at once', async () => {
      const { tenant, email } = await member();
      const claim = { email, password: wrong };
      const replies = await Promise.all(
        Array.from({ length: 24 }, (_, at) => signIn(tenant, claim, {}, at % 2 === 0 ? url : sharedUrl())),
      );
      assert.deepEqual(counted(replies.map((each) => each.status).sort()), [
        [401, 10],
        [429, 14],
      ]);
    });
  });
});
