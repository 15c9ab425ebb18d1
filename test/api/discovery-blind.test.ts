import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { systemAdministrator } from '../../models/databases.ts';
import { send } from '../support/client.ts';
import { databasesOf } from '../support/deployment.ts';
import { handed, ownSettings } from '../support/environment.ts';
import { freePort } from '../support/equipment.ts';
import { type Running, startApi } from '../support/installation.ts';
import { hold } from '../support/outage.ts';
import { useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

/**
 * That the answer tells nothing is a matter of order, not of milliseconds: it is sent before anything is looked up.
 * So whatever the look-up would need is taken away, and the answer has to come all the same.
 */
describe('the answer to somebody who asks for their workspaces', () => {
  let api: Running;
  let url: string;
  let acme: Member;

  before(async () => {
    useSharedModels();
    acme = await member();
    const { FREEHOLD_HTTP_PORT = '', FREEHOLD_METRICS_PORT = '' } = await ownSettings(handed(), 'freehold');
    const nobodyThere = `127.0.0.1:${await freePort()}`;
    api = await startApi(
      {
        ...handed().shared.settings,
        FREEHOLD_HTTP_PORT,
        FREEHOLD_METRICS_PORT,
        FREEHOLD_TEMPORAL_ADDRESS: nobodyThere,
        FREEHOLD_LOG_LEVEL: 'info',
      },
      false,
    );
    url = `http://127.0.0.1:${FREEHOLD_HTTP_PORT}`;
  });
  after(() => api.stop('SIGKILL'));

  const ask = (email: string) =>
    send(url, 'POST', '/v1/discovery', { email }, { 'x-request-id': 'the-same-request' });

  it('R3.1 comes while the index cannot be read at all, for a known address and for another', async () => {
    const release = await hold(databasesOf(handed().shared.settings).system, 'workspaces');
    try {
      const replies = await Promise.all([ask(acme.email), ask('nobody@people.example'), ask(acme.email)]);
      assert.deepEqual(
        replies.map((each) => each.status),
        [202, 202, 202],
      );
      assert.equal(new Set(replies.map((each) => each.text)).size, 1);
      // It was asked for, and waits: so the answer was not before it by chance.
      const waiting = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%workspaces%'`;
      await until(async () => (await systemAdministrator().query<{ n: number }>(waiting)).rows[0]?.n !== 0);
    } finally {
      await release();
    }
  });

  it('R3.1 is the same while Temporal is away; only the log says so, and names nobody', async () => {
    const before = api.log().length;
    assert.equal((await ask(acme.email)).status, 202);
    const said = () => api.log().slice(before);
    await until(async () => said().includes('a list of workspaces could not be mailed'));
    assert.ok(!api.log().includes(acme.email));
  });
});

/** A test that waits in vain ends by its own timeout. */
async function until(settled: () => Promise<boolean>): Promise<void> {
  while (!(await settled())) await pause(50);
}
