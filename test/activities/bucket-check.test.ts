import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { useConfig } from '../../models/databases.ts';
import type { Place } from '../../models/scope.ts';
import { filledTenant } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';
import { orSkip } from '../support/installed.ts';
import { checkedIn } from '../support/integration-check.ts';
import { ensureS3Program, type S3Server, s3Keys, s3Server } from '../support/s3-server.ts';
import { certificateFor, trust } from '../support/tls-server.ts';

describe('checking a bucket', () => {
  let server: S3Server;
  let place: Place;
  before(async function () {
    this.timeout(900_000);
    const program = await orSkip(
      this,
      ensureS3Program((line) => process.stderr.write(`${line}\n`)),
    );
    useConfig(await ownConfig());
    place = await filledTenant(0);
    const certified = await certificateFor(['127.0.0.1']);
    trust(certified);
    server = await s3Server(program, certified);
  });
  after(() => server?.stop());

  const target = (more: object = {}) => ({
    url: `https://127.0.0.1:${server.port}`,
    region: 'us-east-1',
    bucket: 'backups',
    accessKeyId: s3Keys.accessKeyId,
    prefix: 'checks/',
    ...more,
  });

  it('R6.4 writes and deletes an object, and leaves nothing', async () => {
    const { failed, verdicts } = await checkedIn(place, 's3', target(), s3Keys.secretAccessKey);
    assert.equal(failed, undefined, JSON.stringify(verdicts));
    const left = await readdir(join(server.data, 'backups'), { recursive: true });
    assert.deepEqual(
      left.filter((name) => name.includes('freehold-check')),
      [],
    );
  });

  it('R6.4 tells a wrong secret, an unknown key, and a bucket that is not there', async () => {
    assert.equal((await checkedIn(place, 's3', target(), 'not the secret at all')).failed, 'auth');
    assert.equal(
      (await checkedIn(place, 's3', target({ accessKeyId: 'nobody' }), 'whatever it is')).failed,
      'auth',
    );
    assert.equal(
      (await checkedIn(place, 's3', target({ bucket: 'not-there' }), s3Keys.secretAccessKey)).failed,
      'permission',
    );
  });
});
