import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { egressOf } from '../../activities/egress/egress.ts';
import { useConfig } from '../../models/databases.ts';
import type { Place } from '../../models/scope.ts';
import { closeJournal, goRound, openJournal } from '../../models/usage-journal.ts';
import type { EgressRules } from '../../policies/egress.ts';
import { ownConfig } from '../support/environment.ts';
import { freePort } from '../support/equipment.ts';
import { madeTenant, operator } from '../support/lifecycle.ts';
import { meterOf } from '../support/metered.ts';
import { placed } from '../support/people.ts';
import { plainServer, type Served } from '../support/tls-server.ts';

describe('the bytes that leave for a tenant', () => {
  const open: EgressRules = { allowedHosts: null, allowedPorts: [443] };
  let place: Place;
  let served: Served;
  let read: number;
  let directory: string;

  before(async () => {
    useConfig(await ownConfig());
    served = await plainServer(async (request, response) => {
      for await (const chunk of request) read += chunk.length;
      // What a server reads of a request before its body.
      read += Buffer.byteLength(`${request.method} ${request.url} HTTP/1.1\r\n\r\n`);
      if (request.url === '/away') response.writeHead(302, { location: 'http://127.0.0.1/' });
      if (request.url === '/never') request.socket.destroy();
      response.end('ok');
    });
  });
  beforeEach(async () => {
    read = 0;
    directory = await mkdtemp(join(tmpdir(), 'freehold-journal-'));
    openJournal(directory);
    place = await placed((await madeTenant(await operator())).tenantId);
  });
  afterEach(async () => {
    await closeJournal();
    await rm(directory, { recursive: true });
  });
  after(() => served.stop());

  const egress = () =>
    egressOf(
      place,
      {
        actor: { kind: 'user', id: 'usr_x', tenantId: place.tenantId },
        subject: { type: 'Integration', id: 'int_x' },
      },
      open,
    );
  const url = (path = '/') => `http://127.0.0.1:${served.port}${path}`;

  async function counted(): Promise<number> {
    await goRound();
    const series = await meterOf(place, 'egress.bytes');
    for (const { user_id: userId, kind } of series)
      assert.deepEqual([userId, kind], ['usr_x', 'Integration']);
    return series.reduce((sum, { value }) => sum + Number(value), 0);
  }

  it('R5.1 are counted with head and body, by what for and in whose name', async () => {
    const body = 'é'.repeat(500);
    await (await egress().fetch(url(), { method: 'POST', body, headers: { 'x-one': 'two' } })).text();
    const head = `POST / HTTP/1.1\r\nhost: 127.0.0.1:${served.port}\r\nx-one: two\r\n\r\n`;
    assert.equal(await counted(), head.length + 1_000);
    assert.ok(read > 1_000);
  });

  it('R5.1 are counted too when the answer is refused or never comes', async () => {
    const one = `GET /away HTTP/1.1\r\nhost: 127.0.0.1:${served.port}\r\n\r\n`.length;
    await assert.rejects(egress().fetch(url('/away')));
    assert.equal(await counted(), one);
    await assert.rejects(egress().fetch(url('/never')));
    assert.equal(await counted(), 2 * one + 1);
  });

  it('R5.1 are none where the guard lets nothing out', async () => {
    await assert.rejects(egress().fetch('https://10.0.0.1/'));
    await assert.rejects(egress().fetch(`http://127.0.0.1:${await freePort()}/`));
    assert.equal(await counted(), 0);
  });

  it('R5.1 are counted of connections that speak something else', async () => {
    const socket = await egress().connect({ host: '127.0.0.1', port: served.port, tls: false });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.end('HELLO, WORLD');
    socket.resume();
    await closed;
    assert.equal(await counted(), 12);
  });
});
