import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { randomBytes } from './secret-file.ts';

export type Mailbox = { stop(): Promise<void> };

const mailBytesMax = 10 * 1024 * 1024;

/** Takes every mail for everybody, and sends none on: each becomes a file, `<time>-<id>.eml`, read by GET /v1/mailbox. */
export async function startMailbox(port: number, directory: string): Promise<Mailbox> {
  const server = new SMTPServer({
    authOptional: true,
    // On loopback, without a certificate, there is nothing to log in to and nothing to encrypt with.
    disabledCommands: ['AUTH', 'STARTTLS'],
    size: mailBytesMax,
    logger: false,
    onData: (stream, _session, done) => {
      keep(stream, directory).then(() => done(), done);
    },
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, '127.0.0.1', resolve);
  await promise;
  // From here on it is about one connection: a client that hangs up in the middle of a mail must not end us.
  server.on('error', () => undefined);
  return { stop: () => new Promise((stopped) => server.close(stopped)) };
}

/** Renamed when it is whole, so that a reader of `*.eml` never sees half a mail. */
async function keep(stream: Readable, directory: string): Promise<void> {
  const time = new Date().toISOString().replaceAll(':', '-');
  const path = join(directory, `${time}-${randomBytes(6).toString('hex')}.eml`);
  await writeFile(`${path}.unfinished`, await buffer(stream), { mode: 0o600 });
  await rename(`${path}.unfinished`, path);
}
