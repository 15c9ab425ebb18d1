import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { newId } from '../../models/ids.ts';
import type { Place } from '../../models/scope.ts';
import { limitedBy, standing } from '../support/limited.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, twoTenants } from '../support/tenants.ts';

type Reservation = {
  id: string;
  state: string;
  amounts: { meter: string; amount: number }[];
  expiresAt: string | null;
};
type Problem = { code: string; errors?: { pointer: string }[]; quota?: { id: string } };

describe('what other systems hold before they use it', () => {
  let acme: Member;
  let place: Place;
  before(async () => {
    useSharedModels();
    [acme] = await twoTenants();
    place = await placed(acme.tenant.id);
  });

  const hold = (amounts: object[], more: object = {}) =>
    acme.call<Reservation & Problem>('POST', '/v1/usage/reservations', {
      ...{ id: freshSlug('job'), amounts },
      ...more,
    });
  const calls = (amount: number, more: object = {}) => ({ meter: 'tool-calls', amount, ...more });
  const read = (id: string) => acme.call<Reservation>('GET', `/v1/usage/reservations/${id}`);
  const report = (value: number, reservationId: string, more: object = {}) =>
    acme.call<{ items: { verdict: string; faults?: { pointer: string }[] }[] }>('POST', '/v1/usage/events', {
      events: [
        {
          ...{ specversion: '1.0', id: freshSlug('event'), source: 'urn:gateway', type: 'tool-calls' },
          ...{ data: { value, reservationId }, ...more },
        },
      ],
    });
  /** A limit of an agent of its own, so that nothing else of the tenant falls under it. */
  async function limited(
    amount: number,
  ): Promise<{ id: string; agentId: string; stands: () => Promise<object> }> {
    const { body } = await acme.call<{ id: string }>('POST', '/v1/agents', {
      name: freshSlug('agent'),
      model: 'demo',
    });
    const id = newId('qta');
    await limitedBy(place, { id, meter: 'tool-calls', scope: 'agent', scopeId: body.id, amount });
    const stands = async () => (await standing(place, id))[0] ?? {};
    return { id, agentId: body.id, stands };
  }
  const at = (used: number, reserved: number) => ({ used, reserved });
  const taken = async ({ stands }: { stands: () => Promise<object> }) => {
    const { used, reserved } = (await stands()) as { used: number; reserved: number };
    return { used, reserved };
  };

  it('R5.2 is exactly as much as the limit, however many ask at once, and the others are told which it was', async () => {
    const limit = await limited(23);
    const asked = await Promise.all(
      Array.from({ length: 60 }, () => hold([calls(1)], { agentId: limit.agentId })),
    );
    const statuses = asked.map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 201).length, 23, String(statuses));
    const refused = asked.filter(({ status }) => status === 429);
    assert.equal(refused.length, 37);
    assert.ok(refused.every(({ body }) => body.code === 'quota-exceeded' && body.quota?.id === limit.id));
    assert.deepEqual(await taken(limit), at(0, 23));
  });

  it('R5.2 is held once under one id, and settled by what is reported with it', async () => {
    const limit = await limited(100);
    const { agentId } = limit;
    const id = freshSlug('job');
    const [first, again] = [
      await hold([calls(60)], { id, agentId, seconds: 60 }),
      await hold([calls(60)], { id, agentId, seconds: 600 }),
    ];
    assert.equal(first.status, 201, first.text);
    assert.deepEqual(first.body.amounts, [calls(60)]);
    const [before = '', after = ''] = [first.body.expiresAt, again.body.expiresAt].map(String);
    assert.ok(Date.parse(after) - Date.parse(before) > 500_000);
    assert.deepEqual(await taken(limit), at(0, 60));
    for (const other of [[calls(61)], [calls(60), { meter: 'tokens.input', amount: 1 }]]) {
      const { status, body } = await hold(other, { id, agentId });
      assert.deepEqual([status, body.code], [409, 'conflict']);
    }
    assert.equal((await hold([calls(41)], { agentId })).status, 429);
    const told = await report(25, id, { data: { value: 25, reservationId: id, agentId } });
    assert.equal(told.body.items[0]?.verdict, 'accepted', told.text);
    assert.deepEqual(await taken(limit), at(25, 0));
    assert.equal((await read(id)).body.state, 'settled');
    const late = await hold([calls(60)], { id, agentId });
    assert.deepEqual([late.status, late.body.code], [409, 'conflict'], late.text);
    assert.equal((await hold([calls(75)], { agentId })).status, 201);
  });

  it('R5.2 stays held when what is reported of it is not taken, or was known before', async () => {
    const limit = await limited(10);
    const { agentId } = limit;
    const [known, id] = [freshSlug('event'), freshSlug('job')];
    await report(0, freshSlug('job'), { id: known });
    await hold([calls(10)], { id, agentId });
    const ahead = new Date(Date.now() + 10 * 60_000).toISOString();
    const told = [
      await report(4, id, { time: ahead }),
      await report(4, id, { id: known, data: { value: 4, reservationId: id, agentId } }),
    ];
    assert.deepEqual(
      told.map(({ body }) => body.items[0]?.verdict),
      ['refused', 'duplicate'],
    );
    assert.deepEqual(await taken(limit), at(0, 10));
  });

  it('R5.2 is given back by who holds it, and by itself when nobody says what became of it', async () => {
    const limit = await limited(10);
    const { agentId } = limit;
    const { body } = await hold([calls(10)], { agentId });
    const path = `/v1/usage/reservations/${body.id}`;
    assert.equal((await acme.call('DELETE', path)).status, 204);
    assert.equal((await acme.call('DELETE', path)).status, 204);
    assert.deepEqual(await taken(limit), at(0, 0));
    assert.equal((await read(body.id)).body.state, 'settled');
    const short = await hold([calls(10)], { agentId, seconds: 1 });
    assert.equal((await hold([calls(1)], { agentId })).status, 429);
    await pause(1_100);
    assert.equal((await hold([calls(10)], { agentId })).status, 201);
    assert.equal((await read(short.body.id)).body.state, 'expired');
    assert.equal((await read('nobodys')).status, 404);
  });

  it('R5.2 is less where less will do, and nothing where nothing limits it', async () => {
    const limit = await limited(10);
    const { agentId } = limit;
    await hold([calls(7)], { agentId });
    const { body } = await hold([calls(7, { least: 2 })], { agentId });
    assert.deepEqual(body.amounts, [calls(3)]);
    const free = await hold([calls(1_000_000)]);
    assert.deepEqual([free.status, free.body.state, free.body.expiresAt], [201, 'unlimited', null]);
  });

  it('R5.2 is refused with each fault, and touches nothing that Freehold’s own acts hold', async () => {
    const bad = await hold([{ meter: 'egress.bytes', amount: 1 }, calls(0)], { id: 'run/x', seconds: 0 });
    assert.equal(bad.status, 400);
    assert.deepEqual(bad.body.errors?.map(({ pointer }) => pointer).toSorted(), [
      ...['/amounts/0/meter', '/amounts/1/amount', '/id', '/seconds'],
    ]);
    const twice = await hold([calls(1), calls(1)]);
    assert.deepEqual(
      twice.body.errors?.map(({ pointer }) => pointer),
      ['/amounts'],
    );
    const nobody = await hold([calls(1)], { agentId: newId('agt'), runId: newId('run') });
    assert.deepEqual(
      nobody.body.errors?.map(({ pointer }) => pointer),
      ['/agentId', '/runId'],
    );
    const foreign = await report(1, 'run/run_x/1');
    assert.deepEqual(
      foreign.body.items[0]?.faults?.map(({ pointer }) => pointer),
      ['/events/0/data/reservationId'],
    );
  });
});
