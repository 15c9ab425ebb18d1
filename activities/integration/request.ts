import { carried } from '../../policies/integration.ts';
import { Refusal } from '../../policies/refusal.ts';

/** What of a tool's call goes out, and what of the answer comes back. */
type Asked = { path: string; query?: Record<string, string> };

const pathMax = 4_000;

/** `..`, backslashes and whole addresses in a path lead nowhere but below the address that was saved. */
export function addressOf(base: string, { path, query = {} }: Asked): URL {
  if (path.length > pathMax)
    throw new Refusal('unprocessable', `The path may have at most ${pathMax} characters.`);
  const root = new URL(base);
  const prefix = root.pathname.replace(/\/+$/, '');
  const url = new URL(root);
  const [plain = '', asked = ''] = path.split('?', 2);
  url.pathname = `${prefix}${plain}`;
  for (const [name, value] of new URLSearchParams(asked)) url.searchParams.append(name, value);
  for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value);
  const inside =
    url.origin === root.origin && (url.pathname === prefix || url.pathname.startsWith(`${prefix}/`));
  if (!path.startsWith('/') || !inside || climbs(plain))
    throw new Refusal(
      'unprocessable',
      'The path must begin with / and stay below the integration’s own address.',
    );
  return url;
}

/** Some servers decode a path more often than an address does, so it must not climb however often that is done. */
function climbs(path: string): boolean {
  let plain = path;
  for (let times = 0; times < 4; times++) {
    // Some read `..;x` as `..`, and addresses leave out tabs and ends of lines.
    if (/(^|[/\\])\.\.?([/\\;]|$)|\\/.test(plain.replace(/[\t\n\r]/g, ''))) return true;
    // Leniently, as such a server does: what is no encoding stays as it is.
    plain = plain.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  }
  return /%25/.test(plain);
}

/** A tool may not say who it is, nor how its request is carried. */
export function allowedHeaders(headers: Record<string, string>, own: string[]): Record<string, string> {
  const reserved = [...own, 'authorization', 'idempotency-key'];
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const kept = lower.filter(([name]) => !carried.test(name) && !reserved.includes(name));
  if (kept.some(([name, value]) => !headerName.test(name) || !headerValue.test(value)))
    throw new Refusal('unprocessable', 'Headers are short names and values of printable ASCII on one line.');
  return Object.fromEntries(kept);
}

const headerName = /^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/;
const headerValue = /^[\t\x20-\x7e]{0,4000}$/;

const keptHeaders = [
  'content-type',
  'etag',
  'last-modified',
  'location',
  'link',
  'retry-after',
  'x-request-id',
];

export function told(headers: Headers, text: string): { headers: Record<string, string>; body: unknown } {
  const shown = Object.fromEntries([...headers].filter(([name]) => keptHeaders.includes(name)));
  return { headers: shown, body: parsed(text, shown['content-type'] ?? '') };
}

function parsed(text: string, type: string): unknown {
  if (!/[/+]json\b/i.test(type)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
