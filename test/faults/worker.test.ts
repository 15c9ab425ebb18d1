import assert from 'node:assert/strict';
import { once } from 'node:events';
import { SMTPServer } from 'smtp-server';
import { type Deployment, databasesOf, deployBeside } from '../support/deployment.ts';
import { freePort } from '../support/equipment.ts';
import type { Running } from '../support/installation.ts';
import { hold, stepOf, until } from '../support/outage.ts';
import { asked, type Followed, follow, freshSlug, type Shown } from '../support/tenants.ts';
import { assertMadeOnce } from '../support/traces.ts';

describe('a worker that goes away in the middle of onboardings', () => {
  let freehold: Deployment;
  let mail: Awaited<ReturnType<typeof slowMailServer>>;
  let worker: Running;
  let atTheKey: Shown;
  let atTheMail: Shown;

  before('kill a worker that is at a step of one tenant and at another step of a second', async () => {
    mail = await slowMailServer();
    freehold = await deployBeside({ FREEHOLD_SMTP_URL: `smtp://127.0.0.1:${mail.port}` });
    [worker] = await Promise.all([freehold.worker(), freehold.api()]);
    atTheMail = await onboarding();
    await mail.taken;
    const held = await heldAtTheKey();
    atTheKey = held.tenant;
    await worker.stop('SIGKILL');
    // What the killed worker had asked of the database is still waiting there, and takes effect now.
    await held.release();
    mail.answer();
    worker = await freehold.worker();
  });
  after(async () => {
    await freehold.stop();
    await mail.stop();
  });

  async function onboarding(): Promise<Shown> {
    const reply = await freehold.operator.call<Shown>('POST', '/v1/tenants', asked(freshSlug()));
    assert.equal(reply.status, 202, reply.text);
    return reply.body;
  }

  /** The key waits for a table; the schema, made beside it, is done. */
  async function heldAtTheKey(): Promise<{ tenant: Shown; release: () => Promise<void> }> {
    const release = await hold(databasesOf(freehold.settings).eu, 'platform.tenant_keys');
    const tenant = await onboarding();
    const between = (operation: Followed) =>
      stepOf(operation, 'ensureTenantKey')?.state === 'running' &&
      stepOf(operation, 'ensureTenantSchema')?.state === 'done';
    await until(tenant.operation.id, freehold.operator, between);
    return { tenant, release };
  }

  it('R1.1 R1.2 is replaced: the tenant becomes active and every effect is there once', async () => {
    const done = await follow(atTheKey.operation.id, freehold.operator);
    assert.equal(done.state, 'succeeded', JSON.stringify(done));
    assert.ok(Number(stepOf(done, 'ensureTenantKey')?.attempts) > 1, JSON.stringify(done.steps));
    await assertMadeOnce(freehold.settings, { id: atTheKey.id, region: 'eu' });
  });

  it('R1.3 leaves one invitation: a mail it could not note as sent is sent again with the same link', async () => {
    const done = await follow(atTheMail.operation.id, freehold.operator);
    assert.equal(done.state, 'succeeded', JSON.stringify(done));
    assert.ok(Number(stepOf(done, 'sendInvitation')?.attempts) > 1, JSON.stringify(done.steps));
    const links = mail.mails
      .filter((text) => text.includes(`admin@${atTheMail.slug}.example`))
      .map((text) => /http:\S+\/invitations\/\S+/.exec(text)?.[0]);
    assert.equal(links.length, 2);
    assert.ok(links[0]);
    assert.equal(links[0], links[1]);
    await assertMadeOnce(freehold.settings, { id: atTheMail.id, region: 'eu' });
  });

  it('R1.1 finishes the step it is at when it is asked to stop, and the next worker goes on from there', async () => {
    const { tenant, release } = await heldAtTheKey();
    const stopped = worker.stop('SIGTERM');
    await release();
    await stopped;
    assert.equal(worker.process.exitCode, 0, worker.log());
    worker = await freehold.worker();
    const done = await follow(tenant.operation.id, freehold.operator);
    assert.equal(done.state, 'succeeded', JSON.stringify(done));
    const triedAgain = done.steps.filter((step) => step.attempts !== 1);
    assert.deepEqual(triedAgain, [], 'no step was lost');
    await assertMadeOnce(freehold.settings, { id: tenant.id, region: 'eu' });
  });
});

/** Takes every mail and, until `answer` is called, does not say so. */
async function slowMailServer() {
  const mails: string[] = [];
  const taken = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    async onData(stream, _session, accept) {
      const chunks: Buffer[] = await stream.toArray();
      // Long lines are broken by a soft line break of quoted-printable.
      mails.push(Buffer.concat(chunks).toString('utf8').replaceAll('=\r\n', ''));
      taken.resolve();
      await answered.promise;
      accept();
    },
  });
  // A killed worker leaves its connection half-way.
  server.on('error', () => {});
  const port = await freePort();
  server.listen(port, '127.0.0.1');
  await once(server.server, 'listening');
  const stop = () => new Promise<void>((resolve) => server.close(resolve));
  return { port, mails, taken: taken.promise, answer: answered.resolve, stop };
}
