import assert from 'node:assert/strict';
import {
  accept,
  codesOf,
  freshAddress,
  type Invitation,
  mailedToken,
  type Problem,
} from '../support/invitations.ts';
import { useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

describe('inviting many', () => {
  let acme: Member;
  before(async () => {
    useSharedModels();
    acme = await member({ quotas: { seats: 6 } });
  });

  type Judged = Problem & {
    would: { invite: number; seats: { wanted: number; taken: number; limit: number } };
    faults: { row: number | null; pointer: string; code: string; detail: string }[];
    items: Invitation[];
  };
  const bulk = (body: unknown, query = '', headers: Record<string, string> = {}) =>
    acme.call<Judged>('POST', `/v1/invitations/bulk${query}`, body, headers);
  const csv = (text: string, query = '') => bulk(text, query, { 'content-type': 'text/csv' });
  const row = (more: object = {}) => ({ email: freshAddress(), roles: ['viewer'], ...more });
  const count = async () =>
    (await acme.call<{ items: unknown[] }>('GET', '/v1/invitations?limit=200')).body.items.length;

  it('R4.2 lists every row’s fault in a dry run, and the seats it would take, and changes nothing', async () => {
    const before = await count();
    const twice = freshAddress();
    const reply = await bulk(
      {
        invitations: [
          row(),
          { email: 'nobody', roles: [] },
          { email: twice, roles: ['viewer'] },
          { email: twice.toUpperCase(), roles: ['viewer'] },
          row({ roles: ['viewer', 'no such'] }),
          { email: acme.email, roles: ['viewer'] },
          'not a row',
        ],
      },
      '?dryRun=true',
    );
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual(
      reply.body.faults.map(({ row, pointer, code }) => `${row} ${pointer} ${code}`),
      [
        '2 /invitations/1/email not-acceptable',
        '2 /invitations/1/roles too-small',
        '4 /invitations/3/email said-twice',
        '5 /invitations/4/roles/1 unknown-role',
        '6 /invitations/5/email already-member',
        '7 /invitations/6 invalid-type',
      ],
    );
    assert.deepEqual(reply.body.would, { invite: 0, seats: { wanted: 2, taken: 1, limit: 6 } });
    assert.equal(await count(), before);
  });

  it('R4.2 invites all of them or none', async () => {
    const before = await count();
    const wrong = await bulk({ invitations: [row(), row({ roles: ['no such'] })] });
    assert.deepEqual([wrong.status, codesOf(wrong)], [422, ['/invitations/1/roles/0 unknown-role']]);
    const misshapen = await bulk({ invitations: [row(), row({ roles: [] })] });
    assert.deepEqual([misshapen.status, codesOf(misshapen)], [400, ['/invitations/1/roles too-small']]);
    const many = await bulk({ invitations: Array.from({ length: 6 }, () => row()) });
    assert.deepEqual([many.status, codesOf(many)], [422, ['/invitations no-seats']]);
    assert.equal(await count(), before);
    const rows = [row(), row({ name: 'Grace Guest' })];
    const done = await bulk({ invitations: rows });
    assert.equal(done.status, 201, done.text);
    assert.deepEqual(
      done.body.items.map(({ email }) => email),
      rows.map(({ email }) => email),
    );
    for (const { email } of rows) assert.equal((await accept(await mailedToken(email))).status, 201);
  });

  it('R4.2 takes CSV as spreadsheets write it', async () => {
    const [one, two] = [freshAddress(), freshAddress()];
    const text = `\ufeffEmail,Name,Roles\r\n${one},"Guest, Grace",viewer;billing\r\n\r\n ${two} ,,builder viewer\r\n`;
    const judged = await csv(text, '?dryRun=true');
    assert.deepEqual([judged.body.faults, judged.body.would.invite], [[], 2], judged.text);
    const done = await csv(text);
    assert.equal(done.status, 201, done.text);
    assert.deepEqual(
      done.body.items.map(({ email, name, roles }) => [email, name, roles]),
      [
        [one, 'Guest, Grace', ['viewer', 'billing']],
        [two, two.split('@')[0], ['builder', 'viewer']],
      ],
    );
  });

  it('R4.2 says in which line of a CSV it stopped understanding', async () => {
    const header = await csv('address,roles\na@example.com,viewer');
    assert.deepEqual([header.status, codesOf(header)], [400, [' wrong-header']]);
    const cells = await csv('email,name,roles\na@example.com,Ada\n');
    assert.deepEqual([cells.status, codesOf(cells)], [400, [' not-csv']]);
    assert.match(cells.body.errors?.[0]?.detail ?? '', /^Line 2: /);
    for (const broken of [
      'email,roles\n"a@example.com,viewer',
      '',
      'email,roles\n',
      'email,roles\na\u0000,viewer',
    ])
      assert.equal((await csv(broken)).status, 400, JSON.stringify(broken));
    const rows = await csv('email,roles\nnobody,\n', '?dryRun=true');
    assert.deepEqual(
      rows.body.faults.map(({ row, pointer }) => `${row} ${pointer}`),
      ['1 /invitations/0/email', '1 /invitations/0/roles'],
    );
    assert.equal((await bulk('email,roles', '', { 'content-type': 'text/plain' })).status, 415);
  });
});
