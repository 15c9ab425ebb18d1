import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { releaseRuns } from '../../activities/run/release.ts';
import { presentWholeRun } from '../../api/run.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant, readInTenant } from '../../models/scope.ts';
import { runById } from '../../models/tenant/run.ts';
import { announceRestrictions, liftStatements } from '../../models/tenant/usage-restriction.ts';
import { placed } from '../support/people.ts';
import { restricted } from '../support/restrictions.ts';
import { begun, ended, type Runner, runner, storedRun, toldOf, until } from '../support/run-stage.ts';
import { makeAgent, makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { type Stage, setStage } from '../support/stage.ts';

/** What each measure does to runs: those that are about to begin, and those under way. */
describe('restricted runs', () => {
  let stage: Stage;
  let outside: Outside;
  let by: Runner;
  before(async () => {
    [stage, outside] = await Promise.all([setStage(), startOutside()]);
    await stage.work();
  });
  beforeEach(async () => {
    by = await runner(stage.principal, outside);
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
  });

  const within = async <T extends object>(text: string, values: unknown[] = []) =>
    inTenant(await placed(by.tenantId), ({ sql }) => sql<T>(text, values));
  const tool = (id: string, more: object = {}) => ({
    id,
    kind: 'tool',
    integrationId: by.integrationId,
    method: 'POST',
    path: `/${id}`,
    ...more,
  });
  const run = async (steps: object[]) =>
    begun(by, { workflowId: await makeWorkflow(by.tenantId, { steps }) });
  const lift = async (id: string) => {
    const place = await placed(by.tenantId);
    await readInTenant(place, liftStatements(by.tenantId, id, { by: by.principal, reason: 'a test' }));
    await releaseRuns(place);
  };
  /** For as long as a worker that did not obey would need at most. */
  const staysSo = async (runId: string, state: string) => {
    await until(by, runId, (stored) => stored.state === state);
    await pause(1_000);
    assert.equal((await storedRun(by, runId)).state, state);
  };

  it('R5.4 that are to wait stay queued, and begin when the restriction is over', async () => {
    const id = await restricted(by.tenantId, { measure: 'queue' });
    const runId = await run([tool('once')]);
    await staysSo(runId, 'queued');
    assert.equal((await storedRun(by, runId)).row.started_at, null);
    const place = await placed(by.tenantId);
    const read = async () => {
      const [[row] = []] = await readInTenant(place, [runById(by.tenantId, runId)]);
      return presentWholeRun(await keyringOf(place), row ?? {}, []).heldBy;
    };
    const held = await read();
    assert.deepEqual([held?.restrictionId, held?.measure, held?.until], [id, 'queue', null]);
    assert.match(String(held?.reason), /has its new runs wait, because the limit of 1,000 tokens a month/);
    const told = await toldOf(by, runId, 'run.state');
    assert.deepEqual(
      told.map(({ state, heldBy }) => [state, heldBy]),
      [
        ['queued', undefined],
        ['queued', held],
      ],
    );
    await lift(id);
    assert.equal((await ended(by, runId)).state, 'succeeded');
    assert.equal(await read(), null);
  });

  it('R5.4 that had begun before go on while new ones wait', async () => {
    let go = () => {};
    const open = new Promise<void>((resolve) => {
      go = resolve;
    });
    outside.before.act = async ({ url }) => {
      if (url === '/slow') await open;
      return undefined;
    };
    const runId = await run([tool('slow'), tool('next', { after: ['slow'] })]);
    await until(by, runId, (stored) => stored.steps.some(({ path }) => path === 'slow'));
    await restricted(by.tenantId, { measure: 'queue' });
    go();
    assert.equal((await ended(by, runId)).state, 'succeeded');
    outside.before.act = () => undefined;
  });

  it('R5.4 under way are paused between two steps when everything is stopped, and go on afterwards', async () => {
    let go = () => {};
    const open = new Promise<void>((resolve) => {
      go = resolve;
    });
    outside.before.act = async ({ url }) => {
      if (url === '/held') await open;
      return undefined;
    };
    const runId = await run([tool('held'), tool('later', { after: ['held'] })]);
    await until(by, runId, (stored) => stored.steps.some(({ path }) => path === 'held'));
    const id = await restricted(by.tenantId, { measure: 'stop' });
    go();
    await staysSo(runId, 'paused');
    const told = (await toldOf(by, runId, 'run.state')).at(-1);
    const heldBy = told?.heldBy as { restrictionId: string } | undefined; // as the run's own heldBy
    assert.equal(heldBy?.restrictionId, id);
    const { steps } = await storedRun(by, runId);
    assert.deepEqual(
      steps.map(({ path, state }) => [path, state]),
      [['held', 'done']],
      'what was under way was ended, and nothing begun',
    );
    await lift(id);
    const done = await ended(by, runId);
    assert.equal(done.state, 'succeeded');
    outside.before.act = () => undefined;
  });

  it('R5.4 of one agent are stopped, and those of others are not', async () => {
    const agents = [
      await makeAgent(by.tenantId, { providerId: by.providerId }),
      await makeAgent(by.tenantId, { providerId: by.providerId }),
    ];
    const [held = '', free = ''] = agents;
    await restricted(by.tenantId, { measure: 'stop', scope: 'agent', scopeId: held });
    const waiting = await begun(by, { agentId: held }, { prompt: 'Hello' });
    const going = await begun(by, { agentId: free }, { prompt: 'Hello' });
    assert.equal((await ended(by, going)).state, 'succeeded');
    await staysSo(waiting, 'queued');
  });

  it('R5.4 that wait are begun by the next watch when whoever lifted the restriction was killed', async () => {
    const until1 = new Date(Date.now() + 1_500);
    await restricted(by.tenantId, { measure: 'queue', until: until1 });
    const runId = await run([tool('again')]);
    await until(by, runId, (stored) => stored.state === 'queued');
    await pause(Math.max(0, until1.getTime() - Date.now()) + 50);
    await releaseRuns(await placed(by.tenantId));
    assert.equal((await ended(by, runId)).state, 'succeeded');
    const rows = await within<{ runs_told: boolean }>('SELECT runs_told FROM usage_restrictions');
    assert.deepEqual(rows, [{ runs_told: true }]);
  });

  it('R5.4 ask no model any more when calls are refused, and end saying why and until when', async () => {
    const agentId = await makeAgent(by.tenantId, { providerId: by.providerId });
    await stage.rest();
    const runId = await begun(by, { agentId }, { prompt: 'Hello' });
    await restricted(by.tenantId, { measure: 'refuse', until: new Date(Date.now() + 3_600_000) });
    await stage.work();
    const { state, row, refusal } = await ended(by, runId);
    assert.deepEqual([state, row.refusal_code], ['refused', 'limit-quota']);
    assert.match(String(refusal), /not possible to call a model just now.*ends by itself at/);
    assert.deepEqual(await within('SELECT seq FROM llm_uses'), []);
    await inTenant(await placed(by.tenantId), ({ sql }) => announceRestrictions(sql));
  });
});
