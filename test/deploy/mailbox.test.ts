import assert from 'node:assert/strict';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { startMailbox } from '../../deploy/embedded/mailbox.ts';
import { freeBase, scratchFolder } from './scratch.ts';

describe('the built-in mailbox', () => {
  it('R1.3 keeps every mail as a file of its own, whole', async () => {
    const scratch = await scratchFolder();
    const folder = join(scratch.path, 'mail');
    await mkdir(folder);
    const port = await freeBase(1);
    const mailbox = await startMailbox(port, folder);
    const transport = createTransport(`smtp://127.0.0.1:${port}`);
    try {
      const mails = ['anna', 'bert', 'cleo'].map((name) => ({
        from: 'Freehold <no-reply@freehold.localhost>',
        to: `${name}@acme.example`,
        subject: 'Your invitation',
        text: `Hello ${name}`,
      }));
      await Promise.all(mails.map((mail) => transport.sendMail(mail)));
      const files = await readdir(folder);
      assert.equal(files.filter((name) => /^\d{4}-.*Z-[0-9a-f]{12}\.eml$/.test(name)).length, 3);
      const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
      for (const { to } of mails) assert.ok(texts.some((text) => text.includes(`To: ${to}`)));
    } finally {
      transport.close();
      await mailbox.stop();
      await scratch.remove();
    }
  });
});
