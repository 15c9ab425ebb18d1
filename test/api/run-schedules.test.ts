import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { ScheduleClient } from '@temporalio/client';
import { loadConfig } from '../../config.ts';
import { inTenant, type TenantScope } from '../../models/scope.ts';
import { openTemporal, type Temporal } from '../../temporal/client.ts';
import { runDataConverter } from '../../temporal/run-namespace.ts';
import { operator } from '../support/client.ts';
import { handed } from '../support/environment.ts';
import { type KeyHolder, keyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { readable } from '../support/readable.ts';
import { makeWorkflow } from '../support/run-world.ts';
import { until } from '../support/runs.ts';
import { follow, type Member, member, type Shown, twoTenants } from '../support/tenants.ts';

type Schedule = {
  id: string;
  nextTimes: string[];
  state: string;
  pauseReason: string | null;
  ownerId: string;
  lastRunId: string | null;
  zone: string;
};
type Problem = { code: string; errors?: { pointer: string; detail: string }[] };
type Firing = { outcome: string; runId: string | null; refusalCode: string | null };

const quick = [{ id: 'only', kind: 'condition', if: 'true' }];
const waiting = [{ id: 'ask', kind: 'approval', role: 'owner', question: 'Go on?' }];

const inTenantOf = async <T>({ tenant }: Member, act: (scope: TenantScope) => Promise<T>): Promise<T> =>
  inTenant(await placed(tenant.id), act);

describe('schedules of runs', () => {
  let acme: Member;
  let globex: Member;
  let builder: KeyHolder;
  let workflowId: string;
  let slow: string;
  let temporal: Temporal;
  let schedules: ScheduleClient;

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
    builder = await keyHolder(acme.tenant.id, 'builder');
    workflowId = await makeWorkflow(acme.tenant.id, { steps: quick });
    slow = await makeWorkflow(acme.tenant.id, { steps: waiting });
    temporal = openTemporal(loadConfig(handed().shared.settings).temporal);
    const { connection } = temporal;
    schedules = new ScheduleClient({ connection, namespace: 'freehold-eu', dataConverter: runDataConverter });
  });
  after(() => temporal.connection.close());

  const body = (more: object = {}) => ({
    name: 'Nightly',
    workflowId,
    cron: '0 3 * * *',
    zone: 'Europe/Berlin',
    ...more,
  });
  async function made(more: object = {}, as = builder): Promise<Schedule> {
    const reply = await as.call<Schedule>('POST', '/v1/run-schedules', body(more));
    assert.equal(reply.status, 201, reply.text);
    return reply.body;
  }
  const idOf = ({ id }: Schedule, of = acme) => `tenant/${of.tenant.id}/schedule/${id}`;
  const read = async ({ id }: Schedule) => (await acme.call<Schedule>('GET', `/v1/run-schedules/${id}`)).body;
  const firings = async ({ id }: Schedule) =>
    (await acme.call<{ items: Firing[] }>('GET', `/v1/run-schedules/${id}/firings`)).body.items;
  /** As when the calendar says so, without waiting for it. */
  const fire = (schedule: Schedule) => schedules.getHandle(idOf(schedule)).trigger();
  async function fired(schedule: Schedule, count = 1): Promise<Firing[]> {
    await until(async () => (await firings(schedule)).length >= count);
    return firings(schedule);
  }
  const stateOf = async (runId: string | null | undefined) =>
    (await acme.call<{ state: string }>('GET', `/v1/runs/${runId}`)).body.state;

  it('R6.1 say when they are due, before and after they are made', async () => {
    const dry = await builder.call<Schedule>('POST', '/v1/run-schedules?dryRun=true', body());
    assert.equal(dry.status, 200, dry.text);
    assert.equal(dry.body.nextTimes.length, 5);
    const schedule = await made({ zone: 'europe/berlin' });
    assert.deepEqual(schedule.nextTimes, dry.body.nextTimes);
    assert.equal(schedule.zone, 'Europe/Berlin');
    assert.deepEqual((await read(schedule)).nextTimes, dry.body.nextTimes);
    const local = (time: string) =>
      new Date(time).toLocaleTimeString('en-GB', {
        timeZone: 'Europe/Berlin',
        hour: '2-digit',
        minute: '2-digit',
      });
    assert.ok(schedule.nextTimes.every((time) => local(time) === '03:00'));
    const left = await schedules
      .getHandle(idOf(dry.body))
      .describe()
      .then(
        () => 'there',
        () => 'gone',
      );
    assert.equal(left, 'gone');
  });

  it('R6.1 name everything that is wrong with their calendar', async () => {
    const reply = await builder.call<Problem>(
      'POST',
      '/v1/run-schedules',
      body({ cron: '61 25 * * *', zone: 'Mars/Olympus' }),
    );
    assert.equal(reply.status, 400);
    assert.deepEqual(
      reply.body.errors?.map(({ pointer }) => pointer),
      ['/cron', '/cron', '/zone'],
    );
    const never = await builder.call<Problem>('POST', '/v1/run-schedules', body({ cron: '0 0 31 2 *' }));
    assert.equal(never.status, 422);
    assert.match(never.body.errors?.[0]?.detail ?? '', /never due/);
  });

  it('R6.1 start runs when they are due, in their owner’s name, by the version that is live then', async () => {
    const schedule = await made({ labels: { team: 'north' } });
    await fire(schedule);
    const [firing] = await fired(schedule);
    assert.equal(firing?.outcome, 'started', JSON.stringify(firing));
    await until(async () => (await stateOf(firing?.runId)) === 'succeeded');
    const { body: run } = await acme.call<Record<string, unknown>>('GET', `/v1/runs/${firing?.runId}`);
    assert.deepEqual([run.ownerId, run.version, run.labels], [builder.id, 1, { team: 'north' }]);
    assert.deepEqual(run.origin, { kind: 'schedule', id: schedule.id });
    assert.equal((await read(schedule)).lastRunId, firing?.runId);
    const trail = await acme.call('GET', '/v1/audit-events?subjectType=Run&limit=5');
    assert.ok(trail.text.includes(schedule.id));
  });

  it('R6.1 start by the clock too', async function () {
    this.timeout(120_000);
    const schedule = await made({ cron: '* * * * *', zone: 'UTC' });
    const due = new Date(schedule.nextTimes[0] ?? '');
    const [firing] = await fired(schedule);
    assert.ok(Date.now() - due.getTime() < 10_000 && Date.now() >= due.getTime());
    assert.equal(firing?.outcome, 'started');
    await builder.call('DELETE', `/v1/run-schedules/${schedule.id}`);
  });

  it('R6.1 leave out a time while a run of theirs is under way, or stop that run, or wait, or begin another', async () => {
    const all: Record<string, Firing[]> = {};
    for (const overlap of ['skip', 'cancel', 'allow', 'wait']) {
      const schedule = await made({ workflowId: slow, overlap });
      await fire(schedule);
      const [first] = await fired(schedule);
      await until(async () => (await stateOf(first?.runId)) === 'waiting');
      // Two firings within one second would have one id.
      await pause(1_100);
      await fire(schedule);
      if (overlap === 'wait') {
        await pause(1_500);
        assert.equal((await firings(schedule)).length, 1);
        await acme.call('POST', `/v1/runs/${first?.runId}/cancellation`);
      }
      all[overlap] = await fired(schedule, 2);
      if (overlap === 'cancel') await until(async () => (await stateOf(first?.runId)) === 'cancelled');
      for (const { runId } of all[overlap] ?? [])
        if (runId) await acme.call('POST', `/v1/runs/${runId}/cancellation`);
    }
    const outcomes = Object.entries(all).map(([overlap, seen]) => [
      overlap,
      ...seen.map(({ outcome }) => outcome),
    ]);
    assert.deepEqual(outcomes, [
      ['skip', 'skipped', 'started'],
      ['cancel', 'started', 'started'],
      ['allow', 'started', 'started'],
      ['wait', 'started', 'started'],
    ]);
  });

  it('R2.3 pause themselves, and say why, when their owner may not start runs any more', async () => {
    const person = await signedInPerson(acme.tenant.id, 'builder');
    const schedule = await made({}, person);
    await acme.call('POST', `/v1/users/${person.id}/deactivation`);
    await fire(schedule);
    const [firing] = await fired(schedule);
    assert.deepEqual([firing?.outcome, firing?.refusalCode], ['refused', 'forbidden']);
    const after = await read(schedule);
    assert.equal(after.state, 'paused');
    assert.match(after.pauseReason ?? '', /owner may not start runs/);
    await until(async () => (await schedules.getHandle(idOf(schedule)).describe()).state.paused);
    const me = (await acme.call<{ id: string }>('GET', '/v1/me')).body.id;
    const taken = await acme.call<Schedule>('PATCH', `/v1/run-schedules/${schedule.id}`, {
      state: 'active',
      cron: '0 4 * * *',
    });
    assert.deepEqual([taken.body.state, taken.body.pauseReason, taken.body.ownerId], ['active', null, me]);
    assert.equal((await schedules.getHandle(idOf(schedule)).describe()).state.paused, false);
  });

  it('R1.3 leave out what is due while their organisation is suspended, say why, and go on after', async function () {
    this.timeout(60_000);
    const other = await member({ region: 'eu' });
    const theirs = await makeWorkflow(other.tenant.id, { steps: quick });
    const given = body({ workflowId: theirs });
    const { body: schedule } = await other.call<Schedule>('POST', '/v1/run-schedules', given);
    const change = async (method: string) => {
      const path = `/v1/tenants/${other.tenant.id}/suspension`;
      const reply = await operator().call<Shown>(
        method,
        path,
        method === 'PUT' ? { reason: 'a test' } : undefined,
      );
      assert.equal(reply.status, 202, reply.text);
      assert.equal((await follow(reply.body.operation.id)).state, 'succeeded');
    };
    const firingsThere = () =>
      inTenantOf(other, ({ sql }) =>
        sql<{ outcome: string; refusal_code: string | null }>(
          'SELECT outcome, refusal_code FROM run_schedule_firings ORDER BY id',
        ),
      );
    const trigger = () => schedules.getHandle(idOf(schedule, other)).trigger();
    await change('PUT');
    await trigger();
    await until(async () => (await firingsThere()).length === 1);
    assert.deepEqual(await firingsThere(), [{ outcome: 'skipped', refusal_code: 'tenant-suspended' }]);
    await change('DELETE');
    // What is due twice in one second is due once.
    await pause(1_000);
    await trigger();
    await until(async () => (await firingsThere()).length === 2);
    assert.equal((await firingsThere())[1]?.outcome, 'started');
  });

  it('R6.1 follow a change at once, pause, go on, and are gone when they are removed', async () => {
    const schedule = await made();
    const path = `/v1/run-schedules/${schedule.id}`;
    const dry = await builder.call<Schedule>('PATCH', `${path}?dryRun=true`, { cron: '0 5 * * *' });
    assert.equal(dry.status, 200, dry.text);
    assert.deepEqual((await read(schedule)).nextTimes, schedule.nextTimes);
    const changed = await builder.call<Schedule>('PATCH', path, { cron: '0 5 * * *' });
    assert.deepEqual(changed.body.nextTimes, dry.body.nextTimes);
    assert.deepEqual((await read(schedule)).nextTimes, dry.body.nextTimes);
    await builder.call('PATCH', path, { state: 'paused' });
    assert.equal((await schedules.getHandle(idOf(schedule)).describe()).state.paused, true);
    assert.equal((await builder.call('DELETE', path)).status, 204);
    await assert.rejects(schedules.getHandle(idOf(schedule)).describe());
  });

  it('R6.1 skip what the clocks skip and have once what they repeat, as Temporal has it', async () => {
    const times = async (more: object, from: string, to: string) => {
      const schedule = await made(more);
      const at = (time: string) => ({ seconds: Math.floor(Date.parse(time) / 1000) as never, nanos: 0 });
      const { startTime } = await temporal.connection.workflowService.listScheduleMatchingTimes({
        namespace: 'freehold-eu',
        scheduleId: idOf(schedule),
        startTime: at(from),
        endTime: at(to),
      });
      return (startTime ?? []).map(({ seconds }) =>
        new Date(Number(seconds) * 1000).toISOString().slice(0, 16),
      );
    };
    const half = { cron: '30 2 * * *', zone: 'Europe/Berlin' };
    assert.deepEqual(await times(half, '2027-03-27T00:00:00Z', '2027-03-30T00:00:00Z'), [
      '2027-03-27T01:30',
      '2027-03-29T00:30',
    ]);
    assert.deepEqual(await times(half, '2027-10-30T00:00:00Z', '2027-11-01T00:00:00Z'), [
      '2027-10-30T00:30',
      '2027-10-31T01:30',
    ]);
    const friday = { cron: '0 0 13 * 5', zone: 'UTC' };
    assert.deepEqual(await times(friday, '2027-01-10T00:00:00Z', '2027-01-20T00:00:00Z'), [
      '2027-01-13T00:00',
      '2027-01-15T00:00',
    ]);
  });

  it('R2.3 hold no text of the tenant’s in Temporal, and are not there for another organisation', async () => {
    const schedule = await made({
      name: 'canary-name',
      input: { text: 'canary-input' },
      labels: { a: 'canary-label' },
    });
    const raw = await temporal.connection.workflowService.describeSchedule({
      namespace: 'freehold-eu',
      scheduleId: idOf(schedule),
    });
    assert.ok(!readable(raw).includes('canary'));
    assert.ok(readable(raw).includes(schedule.id), 'the schedule was read');
    const payload = raw.schedule?.action?.startWorkflow?.input?.payloads?.[0];
    assert.equal(Buffer.from(payload?.metadata?.encoding ?? []).toString(), 'binary/freehold-sealed');
    for (const method of ['GET', 'DELETE'])
      assert.equal((await globex.call(method, `/v1/run-schedules/${schedule.id}`)).status, 404);
    const theirs = await globex.call<Problem>('POST', '/v1/run-schedules', body());
    assert.equal(theirs.status, 422, theirs.text);
  });

  it('R1.4 are removed from Temporal when their tenant is deleted, before its key goes', async function () {
    this.timeout(60_000);
    const other = await member({ region: 'eu' });
    const theirs = await makeWorkflow(other.tenant.id, { steps: quick });
    const { body: schedule } = await other.call<Schedule>(
      'POST',
      '/v1/run-schedules',
      body({ workflowId: theirs }),
    );
    const handle = schedules.getHandle(idOf(schedule, other));
    await handle.describe();
    const path = `/v1/tenants/${other.tenant.id}?graceSeconds=1&reason=test`;
    const reply = await operator().call<Shown>('DELETE', path);
    assert.equal((await follow(reply.body.operation.id)).state, 'succeeded');
    await assert.rejects(handle.describe());
  });

  it('R2.3 are refused when somebody starts what they start past the calendar, for another tenant or schedule', async () => {
    const schedule = await made();
    const { WorkflowClient } = await import('@temporalio/client');
    const client = new WorkflowClient({
      connection: temporal.connection,
      namespace: 'freehold-eu',
      dataConverter: runDataConverter,
    });
    const start = (workflowId_: string, input: object) =>
      client.execute('startScheduledRun', {
        workflowId: workflowId_,
        taskQueue: 'run.eu',
        args: [input],
        workflowRunTimeout: '20 seconds',
      });
    const input = { tenantId: acme.tenant.id, scheduleId: schedule.id, version: 1 };
    const [theirs, other] = [globex.tenant.id, (await made()).id];
    await assert.rejects(start(`tenant/${acme.tenant.id}/schedule/${other}-x`, input));
    await assert.rejects(start(`tenant/${theirs}/schedule/${schedule.id}-x`, input));
    assert.deepEqual(await firings(schedule), []);
  });
});
