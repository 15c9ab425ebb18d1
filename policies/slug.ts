/**
 * A tenant's address: a DNS label in lower-case ASCII, not reserved, and not to be mistaken for another. Letters
 * outside ASCII are refused by name rather than mapped; inside ASCII, characters that look alike are folded into
 * a skeleton, which the directory keeps unique. Folding follows Unicode TR39's confusables for a-z, 0-9 (0/o,
 * 1/l/i, m/rn), and adds the pairs people read alike in a browser's address bar (vv/w, cl/d, 5/s).
 */
export const slugLengthMin = 3;
export const slugLengthMax = 40;

/** How long an old address keeps leading to its tenant, and a deleted tenant's stays out of others' hands. */
export const slugHeldDays = 90;

// biome-ignore format: a list of words reads better in rows
export const reservedSlugs = [
  'about', 'abuse', 'account', 'accounts', 'admin', 'administrator', 'agent', 'agents', 'api', 'app', 'apps',
  'assets', 'auth', 'autoconfig', 'autodiscover', 'billing', 'blog', 'cdn', 'console', 'dashboard', 'demo', 'dev',
  'docs', 'email', 'eu', 'example', 'freehold', 'ftp', 'grafana', 'health', 'help', 'host', 'imap', 'info',
  'internal', 'invite', 'localhost', 'login', 'logout', 'mail', 'metrics', 'monitor', 'mx', 'news', 'null', 'oauth',
  'operator', 'owner', 'platform', 'pop', 'postgres', 'postmaster', 'privacy', 'prod', 'production', 'public',
  'root', 'saml', 'security', 'self', 'shop', 'signin', 'signup', 'smtp', 'sso', 'staging', 'static', 'status',
  'support', 'sysadmin', 'system', 'temporal', 'tenant', 'tenants', 'terms', 'test', 'undefined', 'us', 'user',
  'users', 'webmail', 'webmaster', 'workflow', 'workflows', 'wpad', 'www',
];

const folds: [RegExp, string][] = [
  [/0/g, 'o'],
  [/[1i|]/g, 'l'],
  [/5/g, 's'],
  // Pairs last: “c1oud” has to become “cloud” before both become “doud”.
  [/rn/g, 'm'],
  [/vv/g, 'w'],
  [/cl/g, 'd'],
];

/** The form in which addresses that look alike are equal. */
export function slugSkeleton(slug: string): string {
  return folds.reduce((text, [pattern, letter]) => text.replace(pattern, letter), slug);
}

const reservedSkeletons = new Map(reservedSlugs.map((word) => [slugSkeleton(word), word]));

/** Every fault of a wanted address, one sentence each; none when it may be asked of the directory. */
export function slugFaults(slug: string): string[] {
  const foreign = [...new Set(slug.match(/[^a-z0-9-]/gu) ?? [])].map(
    (letter) =>
      `“${letter}” (U+${hex(letter)}) is not allowed; use lower-case letters a-z, digits and hyphens.`,
  );
  const faults = [...foreign];
  if (slug.length < slugLengthMin || slug.length > slugLengthMax) {
    faults.push(
      `It has ${slug.length} character${slug.length === 1 ? '' : 's'}; it needs ${slugLengthMin} to ${slugLengthMax}.`,
    );
  }
  if (/^-|-$/.test(slug)) faults.push('It must not begin or end with a hyphen.');
  if (/^..--/.test(slug)) faults.push('Hyphens in third and fourth place are kept for encoded names (xn--).');
  if (/^\d/.test(slug)) faults.push('It must begin with a letter.');
  const reserved = reservedSkeletons.get(slugSkeleton(slug));
  if (reserved === slug) faults.push(`“${slug}” is reserved.`);
  else if (reserved) faults.push(`“${slug}” looks like the reserved word “${reserved}”.`);
  return faults;
}

function hex(letter: string): string {
  return (letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}
