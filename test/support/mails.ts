import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ParsedMail, simpleParser } from 'mailparser';
import { handed } from './environment.ts';

export type Mailed = { subject: string; text: string; messageId: string; to: string[]; raw: string };

/** Every mail in whose raw text this address stands, oldest first: as a recipient, or smuggled in. */
export async function mailsTo(address: string): Promise<Mailed[]> {
  const { directory } = handed().mailbox;
  const names = (await readdir(directory)).filter((name) => name.endsWith('.eml')).sort();
  const raws = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')));
  return Promise.all(raws.filter((raw) => raw.includes(address)).map(parsed));
}

async function parsed(raw: string): Promise<Mailed> {
  const { subject = '', text = '', messageId = '', to }: ParsedMail = await simpleParser(raw);
  const recipients = [to ?? []].flat().flatMap((list) => list.value.map((each) => each.address ?? ''));
  return { subject, text, messageId, to: recipients, raw };
}
