import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { PatientClient } from '../../models/patient-client.ts';
import { handed } from '../support/environment.ts';
import { proxyTo, type Wire } from '../support/proxy.ts';

const statementMs = 100;
// The grace of models/patient-client.ts, and some more.
const idleMs = statementMs + 1_000 + 400;

describe('a connection to a server that hangs', () => {
  let between: Wire;
  let client: PatientClient;

  beforeEach(async () => {
    const url = new URL(handed().postgres.eu);
    between = await proxyTo(url.host);
    url.host = between.address;
    client = new PatientClient({ connectionString: url.href, statement_timeout: statementMs });
    await client.connect();
  });
  afterEach(() => between.close());

  it('R1.4 is given up, and what was asked of it fails', async () => {
    between.mode = 'silent';
    await assert.rejects(client.query('SELECT 1'), /the server hangs/);
  });

  it('R1.4 is given up as well when it had nothing to do for a long time before', async () => {
    await pause(idleMs);
    assert.equal((await client.query('SELECT 1 AS one')).rows[0]?.one, 1);
    await pause(idleMs);
    between.mode = 'silent';
    await assert.rejects(client.query('SELECT 1'), /the server hangs/);
  });
});
