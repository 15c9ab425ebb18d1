import { execFile, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { freePort } from './equipment.ts';
import { ensureInstalled } from './installed.ts';

/**
 * AWS KMS as moto plays it, behind a guard of our own. moto lets a disabled key, and one about to be deleted, still
 * decrypt; whoever takes a key away is therefore played by the guard, which answers as AWS documents it, for that key.
 */
const version = '5.2.5';
const run = promisify(execFile);
const moto = {
  name: 'moto',
  version,
  part: 'moto',
  needs: 'python3 with pip and PyPI',
  install: (directory: string) =>
    run('python3', [
      ...['-m', 'pip', 'install', '--quiet', '--target', directory],
      `moto[server,kms]==${version}`,
    ]),
};

/** What KMS answers of a key that may not be used; `hang` answers nothing. */
type Refused = 'AccessDeniedException' | 'DisabledException' | 'KMSInvalidStateException' | 'hang';

export type KeyService = {
  url: string;
  newKey(): Promise<string>;
  refuse(arn: string, how: Refused): void;
  allow(arn: string): void;
  /** Bodies of all requests so far: what a key service could have read. */
  asked: string[];
  stop(): Promise<void>;
};

export const identity = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_EC2_METADATA_DISABLED: 'true',
};

export async function startKeyService(): Promise<KeyService> {
  const installed = await ensureInstalled(moto);
  const port = await freePort();
  const server = spawn('python3', ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], {
    env: { ...process.env, PYTHONPATH: installed },
    stdio: 'ignore',
  });
  const behind = `http://127.0.0.1:${port}`;
  await answering(behind);
  const refused = new Map<string, Refused>();
  const asked: string[] = [];
  const guard = createServer(async (request, response) => {
    const body = await buffer(request);
    asked.push(body.toString());
    const { KeyId = '' } = JSON.parse(body.toString() || '{}') as { KeyId?: string };
    const how = refused.get(KeyId);
    if (how === 'hang') return;
    if (how) {
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify({ __type: how, message: 'by the guard' }));
      return;
    }
    const headers = Object.fromEntries(
      ['x-amz-target', 'content-type', 'authorization', 'x-amz-date'].map((name) => [
        name,
        String(request.headers[name]),
      ]),
    );
    const answer = await fetch(behind, { method: 'POST', headers, body });
    response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>((resolve) => guard.listen(0, '127.0.0.1', resolve));
  // A server that listens on a port has an address of this shape.
  const url = `http://127.0.0.1:${(guard.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new KMSClient({ region: 'eu-west-1', endpoint: url, credentials });
  return {
    url,
    asked,
    newKey: async () => (await client.send(new CreateKeyCommand({}))).KeyMetadata?.Arn ?? '',
    refuse: (arn, how) => void refused.set(arn, how),
    allow: (arn) => void refused.delete(arn),
    async stop() {
      client.destroy();
      guard.closeAllConnections();
      await new Promise((resolve) => guard.close(resolve));
      server.kill();
    },
  };
}

async function answering(url: string): Promise<void> {
  for (let left = 300; left > 0; left--) {
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      return;
    await pause(100);
  }
  throw new Error('moto did not answer');
}
