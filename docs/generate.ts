import { readFileSync, writeFileSync } from 'node:fs';
import { openApiDocument } from '../api/openapi.ts';
import type { Route } from '../api/route.ts';
import { routes } from '../api/routes/index.ts';
import { settings } from '../config.ts';
import { packNames, packs } from '../policies/compliance-packs.ts';
import { dataClasses } from '../policies/data-class.ts';
import { meterNames, meterOf } from '../policies/meters.ts';
import { platformRoles, tenantRoles } from '../policies/permission.ts';
import { permissions } from '../policies/permissions.ts';
import { inWords } from '../policies/setting-bounds.ts';
import { declarationOf, settingKeys } from '../policies/settings.ts';

/** Writes the documents that are made from code; with --check says which are not up to date, and fails. */
const made: Record<string, string> = {
  'configuration.md': configuration(),
  'meters.md': listOfMeters(),
  'permissions.md': permissionMatrix(),
  'settings.md': settingsBook(),
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

function listOfMeters(): string {
  const rows = meterNames.map((name) => {
    const { unit, aggregation, enforcement, reported, about } = meterOf(name);
    return `| \`${name}\` | ${about} | ${unit} | ${aggregation} | ${enforcement} the act | ${reported ? 'yes' : ''} |`;
  });
  return `# Meters
Made by \`npm run generate\` from policies/meters.ts. Limited before the act: what it may use at most is reserved, so that a
hard limit is never passed. After the act: what begins when the limit is reached is refused. Reported: other systems may
tell of it, by \`POST /v1/usage/events\`. How readings come to be sums is written in docs/usage.md.

| meter | what it counts | unit | readings become one by | limited | reported |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
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

function settingsBook(): string {
  const keys = settingKeys.map((key) => {
    const { about, fallback, levels, sensitive, narrows } = declarationOf(key);
    const marks = `${sensitive ? ' 🔒' : ''}${narrows ? ' ▾' : ''}`;
    return `| \`${key}\`${marks} | ${about} | \`${JSON.stringify(fallback)}\` | ${levels.join(', ')} |`;
  });
  const rules = packNames.map((name) => {
    const rows = packs[name].rules.map(
      ({ key, bound, why }) => `| \`${key}\` | ${inWords(bound)} | ${why} |`,
    );
    return `### \`${name}\`: ${packs[name].title}\n| key | bound | why |\n| --- | --- | --- |\n${rows.join('\n')}`;
  });
  return `# Settings
Made by \`npm run generate\` from policies/settings.ts and policies/compliance-packs.ts. What holds comes from default,
platform, plan, organisation and agent, in this order; \`GET /v1/settings?effective=true\` says what does, and who says
so. ▾ marks keys of which platform and plan give the most there is: below them one can only take less. 🔒 marks those that
are kept under the organisation's key and never shown again. How strict signing in is stands apart:
\`/v1/security-policy\`. Which data is kept for how long is asked anew before each deletion, and a legal hold on any of
${dataClasses.map((name) => `\`${name}\``).join(', ')} always wins.

| key | what it is | default | set by |
| --- | --- | --- | --- |
${keys.join('\n')}

## Packs
A pack bounds settings for as long as it is applied: stricter is fine, laxer is refused by the pack's name, and what was set
before holds again when it is taken away. Packs that no settings could be within together are refused, with the conflicts.
They help to keep a law and are no advice on it.

${rules.join('\n\n')}
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
