import { config } from './databases.ts';

/** Where a tenant's people reach it: the one place that makes a tenant's host, for answers, redirects and mails. */
export function tenantHost(slug: string): string {
  const { port } = new URL(config().publicUrl);
  return `${slug}.${config().http.baseDomain}${port ? `:${port}` : ''}`;
}

/** The path is taken as it is, not resolved: `//elsewhere.example` stays a path. */
export function tenantUrl(slug: string, path: string): string {
  return `${new URL(config().publicUrl).protocol}//${tenantHost(slug)}${path}`;
}
