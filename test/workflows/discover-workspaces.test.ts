import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inTenant } from '../../models/scope.ts';
import { placeOf } from '../../models/system/tenant.ts';
import { emailHash, listWorkspace } from '../../models/system/workspace.ts';
import { temporal } from '../../temporal/client.ts';
import { startDiscovery } from '../../temporal/start.ts';
import { discoveryId, lifecycleId } from '../../workflows/registry.ts';
import { handed } from '../support/environment.ts';
import {
  type Around,
  at,
  combined,
  everythingTwice,
  failsForAWhile,
  failureCount,
  recording,
  refuses,
} from '../support/faults.ts';
import { replayStored, replayWorkflow } from '../support/histories.ts';
import { askFor } from '../support/lifecycle.ts';
import { everybody } from '../support/people.ts';
import { until } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';

const step = 'mailWorkspaces';
const kind = 'discover-workspaces';

/** Somebody who is listed, and in whose tenant that is true. */
type Person = { email: string; hash: string; requestId: string };

describe('the workflow discover-workspaces', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
  });
  after(() => stage.leave());

  let people = 0;
  async function person(): Promise<Person> {
    const { tenantId } = await askFor('suspend-tenant', stage.principal, { previous: 'active' });
    const place = await placeOf(tenantId);
    assert.ok(place);
    const [user] = await inTenant(place, async ({ sql }) => {
      await sql("UPDATE users SET state = 'active'");
      return everybody(sql);
    });
    assert.ok(user);
    await listWorkspace(user.email, tenantId, user.id);
    people++;
    return { email: user.email, hash: emailHash(user.email), requestId: `request-${people}-of-a-test` };
  }

  const start = ({ hash, requestId }: Person) => startDiscovery({ emailHash: hash, requestId });
  const handle = ({ hash }: Person) => temporal().client.workflow.getHandle(discoveryId(hash));
  const ended = async (somebody: Person) => {
    await handle(somebody)
      .result()
      .catch(() => {});
    return (await handle(somebody).describe()).status.name;
  };

  async function run(somebody: Person, ...faults: Around[]): Promise<{ names: string[]; status: string }> {
    const recorded = { names: [] as string[], overlapping: [] };
    stage.faults.set(somebody.hash, combined(recording(recorded), ...faults));
    await stage.work();
    await start(somebody);
    return { status: await ended(somebody), names: recorded.names };
  }

  async function mailsTo({ email }: Person): Promise<string[]> {
    const { directory } = handed().mailbox;
    const files = (await readdir(directory)).filter((name) => name.endsWith('.eml'));
    const texts = await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8')));
    return texts.filter((text) => text.includes(`To: ${email}`));
  }

  it('R3.1 mails the list once, and says in it by which request', async () => {
    const ada = await person();
    assert.deepEqual(await run(ada), { status: 'COMPLETED', names: [step] });
    const [mail = '', ...more] = await mailsTo(ada);
    assert.equal(more.length, 0);
    assert.match(mail, new RegExp(`^X-Request-Id: ${ada.requestId}\r$`, 'im'));
    await replayWorkflow(kind, discoveryId(ada.hash), 'succeeded');
  });

  it('R3.1 mails nothing, and succeeds, when the tenants know of nobody', async () => {
    const nobody = {
      email: 'nobody@people.example',
      hash: emailHash('nobody@people.example'),
      requestId: 'request-x',
    };
    assert.deepEqual(await run(nobody), { status: 'COMPLETED', names: [step] });
    assert.deepEqual(await mailsTo(nobody), []);
  });

  for (const when of ['before', 'after'] as const) {
    it(`R3.1 heals when the mail fails for a while ${when} it is sent; one that comes twice has one id`, async () => {
      const ada = await person();
      const { status, names } = await run(ada, failsForAWhile(step, when));
      assert.equal(status, 'COMPLETED');
      assert.equal(names.length, failureCount + 1);
      const mails = await mailsTo(ada);
      assert.equal(mails.length, when === 'before' ? 1 : failureCount + 1);
      assert.equal(new Set(mails.map((text) => /^Message-ID: (.+)\r$/m.exec(text)?.[1])).size, 1);
    });

    it(`R3.1 ends as failed, and can be asked for again, when the mail is refused ${when} it is sent`, async () => {
      const ada = await person();
      const { status } = await run(ada, refuses(step, when));
      assert.equal(status, 'FAILED');
      if (when === 'before') await replayWorkflow(kind, discoveryId(ada.hash), 'failed');
      const sent = (await mailsTo(ada)).length;
      assert.equal(sent, when === 'before' ? 0 : 1);
      stage.faults.delete(ada.hash);
      await start(ada);
      assert.equal(await ended(ada), 'COMPLETED');
      assert.equal((await mailsTo(ada)).length, sent + 1);
    });
  }

  it('R3.1 sends two mails of one id when all is done twice, which mail programs show once', async () => {
    const ada = await person();
    await run(ada, everythingTwice);
    const ids = (await mailsTo(ada)).map((text) => /^Message-ID: (.+)\r$/m.exec(text)?.[1]);
    assert.equal(ids.length, 2);
    assert.equal(new Set(ids).size, 1);
  });

  it('R3.1 runs once however often it is asked for while it runs', async () => {
    const ada = await person();
    const again = at(step, 'before', () => Promise.all([start(ada), start(ada), start(ada)]));
    const { status, names } = await run(ada, again);
    assert.deepEqual([status, names], ['COMPLETED', [step]]);
    assert.equal((await mailsTo(ada)).length, 1);
  });

  it('R3.1 is finished by another worker when one is killed', async () => {
    await stage.rest();
    const ada = await person();
    await stage.killedAt(new Map([[ada.hash, step]]), () => start(ada));
    stage.faults.delete(ada.hash);
    await stage.work();
    assert.equal(await ended(ada), 'COMPLETED');
    const ids = (await mailsTo(ada)).map((text) => /^Message-ID: (.+)\r$/m.exec(text)?.[1]);
    assert.equal(new Set(ids).size, 1);
  }).timeout(90_000);

  it('R3.1 can be cancelled, and leaves nothing behind', async () => {
    const ada = await person();
    const cancel = at(step, 'before', () => handle(ada).cancel());
    const { status } = await run(ada, cancel, failsForAWhile(step, 'before'));
    assert.equal(status, 'CANCELLED');
    assert.deepEqual(await mailsTo(ada), []);
  });

  it('R3.1 does nothing under the id of a tenant’s own work', async () => {
    const ada = await person();
    await stage.work();
    const { tenantId } = await askFor('suspend-tenant', stage.principal, { previous: 'active' });
    const input = { emailHash: ada.hash, region: 'eu', requestId: ada.requestId };
    const options = { workflowId: lifecycleId(tenantId), taskQueue: 'cp.eu', args: [input] };
    const forged = await temporal().client.workflow.start('discoverWorkspaces', options);
    await assert.rejects(forged.result(), (error: Error) => JSON.stringify(error.cause).includes('"stray"'));
    assert.deepEqual(await mailsTo(ada), []);
  });

  it('R3.1 shows Temporal neither the address nor the tenant: a keyed hash and the request’s id', async () => {
    const ada = await person();
    await run(ada);
    await until(async () => (await mailsTo(ada)).length > 0);
    const [history, { memo }] = await Promise.all([handle(ada).fetchHistory(), handle(ada).describe()]);
    assert.deepEqual(memo, { requestId: ada.requestId });
    const text = JSON.stringify(history, (_key, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString() : value,
    );
    assert.ok(text.includes(ada.hash));
    assert.ok(
      !text.includes(ada.email) && !text.includes(ada.email.split('@')[0] ?? '') && !text.includes('ten_'),
    );
  });

  it('R3.1 replays the histories of every version that ever landed', async () => {
    assert.ok((await replayStored(kind)) > 0);
  });
});
