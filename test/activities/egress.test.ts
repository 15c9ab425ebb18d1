import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { egressOf } from '../../activities/egress/egress.ts';
import { EgressFailure } from '../../activities/egress/failure.ts';
import { useConfig } from '../../models/databases.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { type EgressReason, type EgressRules, egressReasonOf } from '../../policies/egress.ts';
import { Refusal } from '../../policies/refusal.ts';
import { filledTenant } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';
import { hostile } from '../support/hostile-server.ts';
import { type NameServer, nameServer } from '../support/name-server.ts';
import { certificateFor, plainServer, type Served, tlsServer, trust } from '../support/tls-server.ts';

/** The operator of these tests lists 127.0.0.1 and nothing else, so 127.0.0.2 is as forbidden as any private address. */
const actor = { kind: 'user', id: 'usr_x', tenantId: 'ten_x' } as const;
const purpose = { actor, subject: { type: 'Integration', id: 'int_x' } } as const;
const open: EgressRules = { allowedHosts: null, allowedPorts: [443] };
const limits = { totalMs: 2_000, idleMs: 1_000, responseBytesMax: 100_000 };

describe('the egress guard', () => {
  let place: Place;
  let names: NameServer;
  let web: Served;
  let plain: Served;
  let reached = 0;

  before(async () => {
    useConfig(await ownConfig());
    place = await filledTenant(0);
    const certified = await certificateFor(['good.test', 'twice.test', 'flips.test', '127.0.0.1']);
    trust(certified);
    const listener = hostile(() => {
      reached++;
    });
    [web, plain] = await Promise.all([tlsServer(certified, listener), plainServer(listener)]);
    names = await nameServer((name, nth) => {
      if (name === 'good.test') return ['127.0.0.1'];
      if (name === 'twice.test') return ['127.0.0.1', '127.0.0.2'];
      if (name === 'flips.test') return nth === 1 ? ['127.0.0.1'] : ['127.0.0.2'];
      if (name === 'inner.test') return ['10.0.0.7'];
      if (name === 'public.test') return ['198.51.0.7'];
      return [];
    });
  });
  after(() => {
    for (const each of [web, plain, names]) each.stop();
  });

  const egress = (rules = open) => egressOf(place, purpose, rules, { limits, resolve: names.resolve });
  const get = (url: string, rules?: EgressRules) => egress(rules).fetch(url);
  const refusedFor = (reason: EgressReason) => (thrown: unknown) => {
    assert.ok(thrown instanceof Refusal, String(thrown));
    assert.equal(egressReasonOf(thrown), reason);
    return true;
  };
  const failedAt = (stage: EgressFailure['stage']) => (thrown: unknown) => {
    assert.ok(thrown instanceof EgressFailure, String(thrown));
    assert.equal(thrown.stage, stage);
    return true;
  };

  it('R6.4 lets a call through to what the operator lists, over TLS and in clear', async () => {
    assert.equal(await (await get(`https://good.test:${web.port}/`)).text(), 'hello');
    assert.equal(await (await get(`http://127.0.0.1:${plain.port}/`)).text(), 'hello');
  });

  it('R6.4 refuses every form of a private, local or special address, written as a number or in disguise', async () => {
    const hosts = `
      127.0.0.2 127.1.1.1 2130706434 0x7f000002 0177.0.0.2 127.2 １２７.0.0.2 ①②⑦.0.0.2 0.0.0.0 0
      10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 192.0.0.1 192.0.2.1
      192.88.99.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255
      168.63.129.16 [::1] [::] [::7f00:1] [::127.0.0.1] [::ffff:127.0.0.2] [::ffff:10.0.0.1]
      [::ffff:0:7f00:1] [64:ff9b::7f00:1] [64:ff9b:1::a00:1] [2002:7f00:1::] [2001:0:1::1] [fe80::1]
      [fec0::1] [fc00::1] [fd12:3456::1] [ff02::1] [2001:db8::1] [3fff::1] [100::1] [5f00::1]
      [4000::1]
    `;

    for (const host of hosts.trim().split(/\s+/))
      await assert.rejects(get(`https://${host}/`), refusedFor('address'), host);
  });

  it('R6.4 refuses a name that leads to a private address, whatever else it leads to as well', async () => {
    await assert.rejects(get('https://inner.test/'), refusedFor('address'));
    await assert.rejects(get('https://inner.test./'), refusedFor('address'));
    reached = 0;
    await assert.rejects(get(`https://twice.test:${web.port}/`), refusedFor('port'));
    await assert.rejects(
      get(`https://twice.test:${web.port}/`, { ...open, allowedPorts: [web.port] }),
      refusedFor('address'),
    );
    assert.equal(reached, 0);
  });

  it('R6.4 judges a name anew at each connection, so that rebinding it between two calls gains nothing', async () => {
    const rules = { ...open, allowedPorts: [web.port] };
    assert.equal((await get(`https://flips.test:${web.port}/`, rules)).status, 200);
    await assert.rejects(get(`https://flips.test:${web.port}/`, rules), refusedFor('address'));
    assert.equal(names.questions.filter((name) => name === 'flips.test').length, 2);
  });

  it('R6.4 refuses what is not https, what carries a credential in its address, and ports nobody listed', async () => {
    for (const url of [
      'file:///etc/passwd',
      'gopher://good.test/',
      'data:text/plain,hello',
      'ftp://good.test/',
    ])
      await assert.rejects(get(url), refusedFor('scheme'), url);
    await assert.rejects(get('http://public.test/'), refusedFor('scheme'));
    await assert.rejects(get(`https://ada:secret@good.test:${web.port}/`), refusedFor('userinfo'));
    await assert.rejects(get('https://public.test:8443/'), refusedFor('port'));
  });

  it('R6.4 keeps to the organisation’s own list of hosts, also for what the operator lists', async () => {
    const only = (...allowedHosts: string[]) => ({ ...open, allowedHosts });
    const url = `https://good.test:${web.port}/`;
    await assert.rejects(get(url, only('*.good.test', 'ood.test')), refusedFor('host'));
    await assert.rejects(get(url, only()), refusedFor('host'));
    for (const glob of ['good.test', '*.test', 'GOOD.test.', '*'])
      assert.equal((await get(url, only(glob))).status, 200, glob);
  });

  it('R6.4 follows no redirect', async () => {
    await assert.rejects(get(`https://good.test:${web.port}/away`), refusedFor('redirect'));
  });

  it('R6.4 ends an answer that is too large, packed or not, that is silent, or that never ends', async () => {
    const url = `https://good.test:${web.port}`;
    const read = async (path: string) => (await get(`${url}${path}`)).text();
    await assert.rejects(read('/huge'), refusedFor('size'));
    await assert.rejects(read('/bomb'), refusedFor('size'));
    const started = performance.now();
    await assert.rejects(read('/hang'), failedAt('answer'));
    await assert.rejects(read('/drip'), failedAt('answer'));
    assert.ok(performance.now() - started < 6_000);
  });

  it('R6.4 says how far it came, and nothing of what is there', async () => {
    await assert.rejects(get('https://nobody.test/'), failedAt('name'));
    await assert.rejects(get(`https://good.test:${plain.port}/`), failedAt('tls'));
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    await assert.rejects(get(`https://good.test:${port}/`), failedAt('reach'));
    const other = await certificateFor(['other.test']);
    const strange = await tlsServer(other, (_request, response) => response.end());
    await assert.rejects(get(`https://good.test:${strange.port}/`), failedAt('tls'));
    strange.stop();
  });

  it('R6.4 leaves to the caller what the caller broke off, and gives up connecting when the time is up', async () => {
    const off = new AbortController();
    const asked = egress().fetch(`https://good.test:${web.port}/hang`, { signal: off.signal });
    setTimeout(() => off.abort(), 100);
    await assert.rejects(asked, { name: 'AbortError' });
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const started = performance.now();
    await assert.rejects(egress().connect({ host: '127.0.0.1', port, tls: true }), failedAt('reach'));
    assert.ok(performance.now() - started < 4_000);
    silent.close();
  });

  it('R6.4 gives a socket by the same rules, which ends when its time is up', async () => {
    const guarded = egress({ ...open, allowedPorts: [web.port, 25] });
    const socket = await guarded.connect({ host: 'good.test', port: web.port, tls: true });
    assert.ok(socket.remoteAddress?.includes('127.0.0.1'));
    await new Promise((resolve) => socket.once('close', resolve));
    await assert.rejects(
      guarded.connect({ host: 'inner.test', port: 25, tls: 'starttls' }),
      refusedFor('address'),
    );
    await assert.rejects(
      guarded.connect({ host: 'public.test', port: 25, tls: false }),
      refusedFor('scheme'),
    );
    await assert.rejects(
      guarded.connect({ host: '127.0.0.2', port: 25, tls: 'starttls' }),
      refusedFor('address'),
    );
  });

  it('R6.4 writes each refusal to the organisation’s own trail, by reason and host alone', async () => {
    const events = await inTenant(place, ({ sql }) =>
      sql<{ details: object; subject_id: string }>(
        "SELECT details, subject_id FROM audit_events WHERE action = 'egress' AND outcome = 'refused' ORDER BY seq",
      ),
    );
    const told = events.map(({ details }) => JSON.stringify(details));
    assert.ok(told.includes(JSON.stringify({ host: 'inner.test', reason: 'address' })), told.join('\n'));
    for (const reason of ['redirect', 'size'])
      assert.ok(told.includes(JSON.stringify({ host: 'good.test', reason })), reason);
    assert.ok(!told.join().includes('10.0.0.7'));
    assert.ok(events.every(({ subject_id }) => subject_id === 'int_x'));
  });
});
