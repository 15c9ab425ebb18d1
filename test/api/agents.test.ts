import assert from 'node:assert/strict';
import { type Member, twoTenants } from '../support/tenants.ts';

type Agent = { id: string; name: string; version: number; tags: string[] };

describe('agents', () => {
  let acme: Member;
  let globex: Member;
  let mine: Agent;
  let theirs: Agent;

  before(async () => {
    [acme, globex] = await twoTenants();
    const agent = { name: 'alpha', model: 'demo', tags: ['support'] };
    mine = (await acme.call<Agent>('POST', '/v1/agents', agent)).body;
    theirs = (await globex.call<Agent>('POST', '/v1/agents', agent)).body;
  });

  it("R2.1 lists only the caller's own agents", async () => {
    const listed = await acme.call<{ items: Agent[] }>('GET', '/v1/agents');
    assert.deepEqual(
      listed.body.items.map((agent) => agent.id),
      [mine.id],
    );
  });

  it("R2.1 answers for another tenant's agent exactly as for one that does not exist", async () => {
    const foreign = await acme.call('GET', `/v1/agents/${theirs.id}`, undefined, {
      'x-request-id': 'same-request',
    });
    const absent = await acme.call('GET', `/v1/agents/${mine.id.slice(0, -4)}0000`, undefined, {
      'x-request-id': 'same-request',
    });
    assert.equal(foreign.status, 404);
    assert.equal(foreign.text, absent.text);
  });
});
