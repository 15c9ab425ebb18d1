import { domainToASCII } from 'node:url';
import { z } from 'zod';

/** What mail is sent to. */

/** Letters, digits and what is usual between them: no quotes, comments or spaces, in which a second address could hide. */
const local = /^(?!.*\.\.)[a-z0-9_+&'=-][a-z0-9._+&'=-]{0,62}[a-z0-9_+&'=-]$|^[a-z0-9_]$/i;
const domain = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z]{2,63}|xn--[a-z0-9-]{2,59})$/i;

function isMailable(address: string): boolean {
  const [name = '', host = '', ...more] = address.split('@');
  return more.length === 0 && local.test(name) && domain.test(domainToASCII(host));
}

export const emailAddress = z
  .string()
  .trim()
  .max(254, 'must have at most 254 characters')
  .refine(isMailable, 'must be an e-mail address, like ada@example.com')
  .meta({ format: 'email' });
