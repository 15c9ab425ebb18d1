import { readFileSync, writeFileSync } from 'node:fs';
import { openApiDocument } from '../api/openapi.ts';
import type { Route } from '../api/route.ts';
import { routes } from '../api/routes/index.ts';
import { settings } from '../config.ts';
import { permissions, platformRoles, tenantRoles } from '../policies/permissions.ts';

/** Writes the documents that are made from code; with --check says which are not up to date, and fails. */
const made: Record<string, string> = {
  'configuration.md': configuration(),
  'permissions.md': permissionMatrix(),
  'openapi.json': `${JSON.stringify(openApiDocument(routes, 'http://127.0.0.1:7400'), null, 2)}\n`,
};

function configuration(): string {
  const rows = Object.entries(settings).map(([name, { about, fallback, example, secret }]) => {
    const byDefault = fallback === undefined ? '**must be set**' : fallback === '' ? '' : `\`${fallback}\``;
    return `| \`${name}\`${secret ? ' 🔒' : ''} | ${about} | ${byDefault} | ${example === '' ? '' : `\`${example}\``} |`;
  });
  return `# Configuration
Made by \`npm run generate\` from config.ts. Every setting comes from the environment; each may come from a file instead,
named by the same setting with \`_FILE\` behind it. 🔒 marks those that hold secrets. Faults are listed all at once, with
what to write instead, and end the process with exit code 78.

| setting | what it is | default | example |
| --- | --- | --- | --- |
${rows.join('\n')}

${readFileSync(new URL('./configuration-example.md', import.meta.url), 'utf8')}`;
}

function permitsOf({ permit, permitOperators }: Route): string {
  return [permit, permitOperators].flatMap((each) => (each ? [each.join(' ')] : [])).join('; operators: ');
}

function permissionMatrix(): string {
  const has = (roles: readonly string[], role: string) => roles.includes(role);
  const matrix = (scope: 'tenant' | 'platform', roles: readonly string[]) => {
    const rows = permissions
      .filter((row) => row.scope === scope)
      .map(({ action, subject, why, roles: holders, ownOnly }) => {
        const mark = (role: string) => (has(holders, role) ? '●' : has(ownOnly, role) ? '○' : '');
        const marks = roles.map(mark);
        return `| ${action} ${subject} | ${why} | ${marks.join(' | ')} |`;
      });
    return `| permission | why it exists | ${roles.join(' | ')} |\n|${' --- |'.repeat(roles.length + 2)}\n${rows.join('\n')}`;
  };
  const routed = routes
    .filter((route) => route.permit)
    .map((route) => `| \`${route.method.toUpperCase()} /v1${route.path}\` | ${permitsOf(route)} |`);
  return `# Permissions
Made by \`npm run generate\` from policies/permissions.ts and the routes. ● whatever it is about, ○ only what is one's own.

## Inside a tenant
${matrix('tenant', tenantRoles)}

## Platform (members of the system tenant)
${matrix('platform', platformRoles)}

## What each route asks for
| route | permission |
| --- | --- |
${routed.join('\n')}
`;
}

const stale = Object.entries(made).filter(([name, text]) => read(name) !== text);

function read(name: string): string | undefined {
  try {
    return readFileSync(new URL(name, import.meta.url), 'utf8');
  } catch {
    return undefined;
  }
}

if (process.argv.includes('--check')) {
  for (const [name] of stale) process.stderr.write(`docs/${name} is not up to date: run npm run generate\n`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const [name, text] of stale) {
    writeFileSync(new URL(name, import.meta.url), text);
    process.stdout.write(`docs/${name}\n`);
  }
}
