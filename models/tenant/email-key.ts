import { domainToASCII } from 'node:url';

/** One key for one address, however it is written: domains of other scripts as their ASCII form. */
export function emailKey(email: string): string {
  const key = email.normalize('NFKC').trim().toLowerCase();
  const at = key.lastIndexOf('@') + 1;
  return key.slice(0, at) + (domainToASCII(key.slice(at)) || key.slice(at));
}
