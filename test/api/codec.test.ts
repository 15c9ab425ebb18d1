import assert from 'node:assert/strict';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { sessionCookie } from '../../api/credential.ts';
import { keyringOf } from '../../models/keyring.ts';
import { type PayloadJson, payloadCodec, sealPayload, toJson } from '../../temporal/payload-codec.ts';
import { type Caller, callerOf, send } from '../support/client.ts';
import { temporalUiOrigin } from '../support/environment.ts';
import { keyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, sharedUrl, twoTenants } from '../support/tenants.ts';

type Opened = { payloads: PayloadJson[] };
type Problem = { code: string; detail: string; errors?: { pointer: string }[] };
type Event = { action: string; reason: string | null; details: Record<string, unknown> };

const workflowOf = (tenantId: string, run = 'run_1') => `tenant/${tenantId}/run/${run}`;
const payloadOf = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);

async function sealed(tenantId: string, value: unknown): Promise<PayloadJson> {
  const keyring = await keyringOf(await placed(tenantId));
  return toJson(sealPayload(keyring, workflowOf(tenantId), payloadOf(value)));
}

const clear = ({ data = '' }: PayloadJson): string => Buffer.from(data, 'base64').toString();

describe('the codec endpoint of the Temporal UI', () => {
  let acme: Member;
  let globex: Member;

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
  });

  const decode = (as: Caller, payloads: PayloadJson[], headers: Record<string, string> = {}) =>
    as.call<Opened>('POST', '/v1/codec/decode', { payloads }, { 'x-namespace': 'freehold-eu', ...headers });

  const trail = async (of: Member): Promise<Event[]> => {
    const { body } = await of.call<{ items: Event[] }>('GET', '/v1/audit-events?subjectType=RunHistory');
    return body.items;
  };

  it('R2.3 opens what is sealed for one’s own organisation, and writes down who, what and what for', async () => {
    const given = [
      await sealed(acme.tenant.id, { prompt: 'secret' }),
      await sealed(acme.tenant.id, 'answer'),
    ];
    const reply = await decode(acme, given, { 'x-purpose': 'why run_1 failed' });
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual(reply.body.payloads.map(clear), ['{"prompt":"secret"}', '"answer"']);
    const [event] = await trail(acme);
    assert.equal(event?.action, 'read RunHistory');
    assert.equal(event?.reason, 'why run_1 failed');
    assert.deepEqual(event?.details, {
      opened: 2,
      leftSealed: 0,
      workflows: [workflowOf(acme.tenant.id)],
    });
    assert.ok(!JSON.stringify(event).includes('secret'));
  });

  it('R2.3 opens them to an owner alone, and writes down whom it refused', async () => {
    const given = [await sealed(acme.tenant.id, 'secret')];
    for (const role of ['admin', 'builder', 'auditor'] as const) {
      const reply = await decode(await keyHolder(acme.tenant.id, role), given);
      assert.equal(reply.status, 403, role);
      assert.ok(!reply.text.includes('secret'));
    }
  });

  it('R2.3 leaves another organisation’s payloads sealed among one’s own, and refuses them alone', async () => {
    const theirs = await sealed(globex.tenant.id, 'theirs');
    const mixed = await decode(acme, [theirs, await sealed(acme.tenant.id, 'ours')]);
    assert.deepEqual(mixed.body.payloads[0], theirs);
    assert.equal(clear(mixed.body.payloads[1] ?? {}), '"ours"');
    assert.deepEqual((await trail(acme))[0]?.details, {
      opened: 1,
      leftSealed: 1,
      workflows: [workflowOf(acme.tenant.id)],
    });
    const alone = await decode(acme, [theirs]);
    assert.equal(alone.status, 403, alone.text);
  });

  it('R2.3 opens nothing that says it is one’s own and is not, nor what was changed', async () => {
    const theirs = await sealed(globex.tenant.id, 'theirs');
    const claimed = Buffer.from(workflowOf(acme.tenant.id)).toString('base64');
    const relabelled = { ...theirs, metadata: { ...theirs.metadata, 'freehold-workflow': claimed } };
    const ours = await sealed(acme.tenant.id, 'ours');
    const renamed = Buffer.from(workflowOf(acme.tenant.id, 'run_2')).toString('base64');
    const moved = { ...ours, metadata: { ...ours.metadata, 'freehold-workflow': renamed } };
    const bytes = Buffer.from(ours.data ?? '', 'base64');
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    const flipped = { ...ours, data: bytes.toString('base64') };
    for (const bad of [relabelled, moved, flipped, { ...ours, data: '' }]) {
      const { status, body, text } = await acme.call<Problem>('POST', '/v1/codec/decode', {
        payloads: [ours, bad],
      });
      assert.equal(status, 422, text);
      assert.deepEqual(
        body.errors?.map(({ pointer }) => pointer),
        ['/payloads/1/data'],
      );
    }
  });

  it('R2.3 hands back what was never sealed as it came', async () => {
    const plain = toJson(payloadOf('plain'));
    const reply = await decode(acme, [plain]);
    assert.deepEqual(reply.body.payloads, [plain]);
  });

  it('R2.3 answers none with none: the Temporal CLI asks {} for an event without payloads', async () => {
    const reply = await acme.call<Opened>('POST', '/v1/codec/decode', {}, { 'x-namespace': 'freehold-eu' });
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual(reply.body, { payloads: [] });
  });

  it('R2.3 seals nothing for anybody, so that nobody starts or signals runs past the walls', async () => {
    const { status, body } = await acme.call<Problem>('POST', '/v1/codec/encode', { payloads: [] });
    assert.equal(status, 422);
    assert.match(body.detail, /start runs by POST \/v1\/runs/);
  });

  it('R2.3 is open to the pages of the configured UI and to no other’s, with a session’s cookie too', async () => {
    const person = await signedInPerson(acme.tenant.id, 'owner');
    const given = { payloads: [await sealed(acme.tenant.id, 'secret')] };
    const asked = (origin: string) =>
      send<Opened>(sharedUrl(), 'POST', '/v1/codec/decode', given, {
        origin,
        'sec-fetch-site': 'same-site',
        cookie: `${sessionCookie}=${person.token}`,
      });
    const allowed = await asked(temporalUiOrigin);
    assert.equal(allowed.status, 200, allowed.text);
    assert.equal(allowed.headers['access-control-allow-origin'], temporalUiOrigin);
    assert.equal(allowed.headers['access-control-allow-credentials'], 'true');
    for (const origin of [
      'http://127.0.0.1:9999',
      'https://evil.example',
      'null',
      `${temporalUiOrigin}.evil.example`,
    ]) {
      const refused = await asked(origin);
      assert.equal(refused.status, 403, origin);
      assert.equal(refused.headers['access-control-allow-origin'], undefined);
    }
  });

  it('R2.3 answers a browser’s question before the call, and lets no other route be called from there', async () => {
    const question = { origin: temporalUiOrigin, 'access-control-request-method': 'POST' };
    const yes = await send(sharedUrl(), 'OPTIONS', '/v1/codec/decode', undefined, question);
    assert.equal(yes.status, 204);
    assert.equal(yes.headers['access-control-allow-origin'], temporalUiOrigin);
    assert.match(String(yes.headers['access-control-allow-headers']), /X-Namespace/);
    const elsewhere = { ...question, origin: 'https://evil.example' };
    const no = await send(sharedUrl(), 'OPTIONS', '/v1/codec/decode', undefined, elsewhere);
    assert.equal(no.headers['access-control-allow-origin'], undefined);
    const other = await send(sharedUrl(), 'OPTIONS', '/v1/agents', undefined, question);
    assert.equal(other.headers['access-control-allow-origin'], undefined);
    const person = await signedInPerson(acme.tenant.id, 'owner');
    const write = await send(
      sharedUrl(),
      'POST',
      '/v1/agents',
      { name: 'x', model: 'demo' },
      {
        origin: temporalUiOrigin,
        'sec-fetch-site': 'same-site',
        cookie: `${sessionCookie}=${person.token}`,
      },
    );
    assert.equal(write.status, 403, write.text);
  });

  it('R2.3 says so when a body is larger than it takes', async () => {
    const data = 'A'.repeat(5 * 1024 * 1024);
    const { status } = await callerOf(acme.token).call('POST', '/v1/codec/decode', { payloads: [{ data }] });
    assert.equal(status, 413);
  });
});

describe('the payload codec', () => {
  let tenantId: string;
  let other: string;
  const contextOf = (workflowId: string) => ({
    type: 'workflow' as const,
    namespace: 'freehold-eu',
    workflowId,
  });

  before(async () => {
    useSharedModels();
    const [acme, globex] = await twoTenants();
    tenantId = acme.tenant.id;
    other = globex.tenant.id;
  });

  it('R2.5 keeps nothing of a payload in clear but the workflow it was sealed for', async () => {
    const value = { canary: 'canary-payload' };
    const sealing = await payloadCodec.encode([payloadOf(value)], contextOf(workflowOf(tenantId)));
    const [payload] = sealing;
    assert.ok(payload);
    assert.deepEqual(Object.keys(payload.metadata ?? {}), ['encoding', 'freehold-workflow']);
    for (const bytes of [payload.data, ...Object.values(payload.metadata ?? {})]) {
      assert.ok(
        !Buffer.from(bytes ?? [])
          .toString('latin1')
          .includes('canary'),
      );
    }
    const [opened] = await payloadCodec.decode(
      sealing,
      contextOf(workflowOf(tenantId, 'run_1-2026-11-24T00:00:00Z')),
    );
    assert.deepEqual(opened && defaultPayloadConverter.fromPayload(opened), value);
  });

  it('R2.3 takes no payload of another tenant, none that is not sealed, and none of nobody', async () => {
    const theirs = await payloadCodec.encode([payloadOf('theirs')], contextOf(workflowOf(other)));
    await assert.rejects(payloadCodec.decode(theirs, contextOf(workflowOf(tenantId))), /another tenant/);
    const plain = [payloadOf('plain')];
    await assert.rejects(payloadCodec.decode(plain, contextOf(workflowOf(tenantId))), /not sealed/);
    await assert.rejects(payloadCodec.encode(plain, contextOf('platform/sweep')), Error);
    const [told] = await payloadCodec.encode(plain);
    assert.doesNotMatch(Buffer.from(told?.data ?? []).toString(), /plain/, 'of nobody, nothing is told');
  });
});
