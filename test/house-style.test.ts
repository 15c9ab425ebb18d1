import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** One place only: what may stand where, read off the files themselves. Every exception is written here, with its reason. */
type Source = { file: string; text: string; lines: number };

const skipped = /^(node_modules|\.freehold|\.git)(\/|$)/;
let sources: Source[];
let documents: Source[];

async function read(pattern: string): Promise<Source[]> {
  const files = await Array.fromAsync(glob(pattern, { exclude: (name) => skipped.test(name) }));
  return Promise.all(
    files.sort().map(async (file) => {
      const text = await readFile(file, 'utf8');
      return { file, text, lines: text.split('\n').length - 1 };
    }),
  );
}

/** Files outside `allowed` (exact names, or folders ending in a slash) in which the pattern is found. */
function elsewhere(pattern: RegExp, allowed: Record<string, string>): string[] {
  const places = Object.keys(allowed);
  return sources
    .filter(
      ({ file }) =>
        !places.some((place) => file === place || (place.endsWith('/') && file.startsWith(place))),
    )
    .filter(({ text }) => pattern.test(text))
    .map(({ file }) => file);
}

const tests = { 'test/': 'tests look at the product from outside', 'bench/': 'so do benches' };

describe('the house style', () => {
  before(async () => {
    sources = await read('**/*.ts');
    documents = await read('{README.md,docs/**/*.md}');
    assert.ok(sources.length > 100 && documents.length > 0);
  });

  const rules: { title: string; pattern: RegExp; allowed: Record<string, string> }[] = [
    {
      title: 'R2.4 reads the environment in config.ts alone',
      pattern: /process\.env/,
      allowed: {
        ...tests,
        'config.ts': 'the one place',
        'deploy/embedded/environment.ts': 'what the embedded mode inherits from the terminal it runs in',
      },
    },
    {
      title: 'R1.5 logs through telemetry.ts alone',
      pattern: /\bconsole\s*\.\s*\w+\(/,
      allowed: { ...tests },
    },
    {
      title: 'R2.4 touches cryptography in models/secrets.ts alone',
      pattern: /['"](node:)?crypto['"]|@node-rs\/argon2|\bcrypto\.subtle\b/,
      allowed: {
        ...tests,
        'models/secrets.ts': 'the one place',
        'models/passwords.ts': 'the one place for passwords',
        'deploy/embedded/': 'makes the root key and checks downloads before any model is there',
      },
    },
    {
      title: 'R2.1 opens transactions in models/scope.ts alone',
      pattern: /\.transaction\(/,
      allowed: { 'models/scope.ts': 'the one place', 'bench/': 'measures the bare floor' },
    },
    {
      title: 'R2.1 takes a tenant’s role in models/scope.ts alone',
      pattern: /set_config\('(role|app\.tenant|app\.scope|search_path)'|SET (LOCAL |SESSION )?ROLE/,
      allowed: {
        ...tests,
        'models/scope.ts': 'the one place',
        'models/tenant-schema.ts': 'makes the tables as their owner, in the administrator’s transaction',
        'activities/probe.ts': 'takes the context away, to see that nothing is seen',
      },
    },
    {
      title: 'R2.1 connects to databases in models/databases.ts alone',
      pattern: /new (pg\.|Patient)?(Pool|Client)\(|new Sequelize\(/,
      allowed: {
        ...tests,
        'models/databases.ts': 'the one place',
        'models/pipeline.ts': 'the connections that databases.ts hands out for reads',
        'models/migrate.ts': 'the administrator, before there is anything else',
        'deploy/embedded/': 'waits for the server and makes its databases',
        'temporal/client.ts': 'a client of Temporal',
      },
    },
    {
      title: 'R1.1 talks to Temporal from temporal/ alone',
      pattern: /from '@temporalio\/(client|worker)'/,
      allowed: { ...tests, 'temporal/': 'the one place' },
    },
    {
      title: 'R4.5 makes endpoints by declaration alone',
      pattern: /\b(app|router|pages)\s*(\.\s*(get|post|put|patch|delete|all|use)\(|\[)/,
      allowed: { 'api/app.ts': 'the one place', 'bench/': 'the hand-written peers it is compared with' },
    },
    {
      title: 'R1.5 writes the audit trail in models/audit.ts alone',
      pattern: /insert into \S*audit_events|AuditEvent\.(create|bulkCreate)/i,
      allowed: { ...tests, 'models/audit.ts': 'the one place' },
    },
    {
      title: 'R6.4 gets out for tenants in activities/egress/ alone',
      pattern:
        /^import (?!type).*from '(undici|node:(net|tls|http|https|http2|dgram|dns)(\/promises)?)'|(?<!egress\.)\bfetch\(/m,
      allowed: {
        ...tests,
        'activities/egress/': 'the one place',
        'activities/integration/check.ts': 'reads the certificate of a socket it was given',
        'deploy/embedded/': 'starts servers of its own, and looks whether they answer',
        'metrics-server.ts': 'a server',
        'policies/written-address.ts': 'asks whether a text is an address, and connects to nothing',
      },
    },
    {
      title: 'R1.3 sends mail in activities/mail.ts alone',
      pattern: /from 'nodemailer'/,
      allowed: {
        ...tests,
        'activities/mail.ts': 'the one place',
        'activities/integration/smtp.ts': 'a tenant’s own mail server, over the guarded socket',
      },
    },
    {
      title:
        'R1.1 reaches for the administrators’ connections where roles and schemas are made, and nowhere else',
      pattern: /\b(cell|system)Administrator\(/,
      allowed: {
        ...tests,
        'models/tenant-schema.ts': 'makes and removes a tenant’s schema and role',
      },
    },
  ];
  for (const { title, pattern, allowed } of rules) {
    it(title, () => {
      assert.deepEqual(elsewhere(pattern, allowed), []);
      // An exception nobody needs any more is a hole somebody will find.
      const needed = Object.keys(allowed).filter((place) => !(place in tests) || !place.endsWith('/'));
      const unneeded = needed.filter(
        (place) => !sources.some(({ file, text }) => file.startsWith(place) && pattern.test(text)),
      );
      assert.deepEqual(unneeded, []);
    });
  }

  it('R2.4 sees across tenants only in the files that are listed for it', () => {
    const across = sources
      .filter(({ file }) => !/^(test|bench)\//.test(file))
      .filter(({ text }) => /\b(in|readIn)System\(\s*'platform'/.test(text))
      .map(({ file }) => file);
    assert.deepEqual(across, [
      'activities/ending.ts',
      'activities/integration-watch.ts',
      'activities/sweep.ts',
      'activities/tenant-content.ts',
      'activities/tenant-deletion.ts',
      'api/health.ts',
      'api/operations.ts',
      'api/platform-route.ts',
      'api/recording.ts',
      'api/routes/tenants.ts',
      'api/tenant-mismatch.ts',
      'models/system/operation.ts',
      'models/system/tenant.ts',
      'models/system/usage.ts',
      'models/system/workspace.ts',
      'temporal/production.ts',
    ]);
  });

  it('R1.5 has no file of more than 400 lines, and none of more than 200 but those listed', () => {
    // May only shrink: a file that gets short enough has to be taken off, and none may be added without a word.
    const longer = [
      'api/routes/tenants.ts',
      'config.ts',
      'models/tenant-schema.ts',
      'test/activities/integration-call.test.ts',
      'test/api/agent-packages.test.ts',
      'test/api/agent-versions.test.ts',
      'test/api/agents.test.ts',
      'test/api/app.test.ts',
      'test/api/codec.test.ts',
      'test/api/craft.test.ts',
      'test/api/encryption-key.test.ts',
      'test/api/invitations.test.ts',
      'test/api/memories.test.ts',
      'test/api/refusals.test.ts',
      'test/api/run-events.test.ts',
      'test/api/run-schedules.test.ts',
      'test/api/runs.test.ts',
      'test/api/tenant-lifecycle.test.ts',
      'test/api/tenants.test.ts',
      'test/api/triggers.test.ts',
      'test/api/user-invitations.test.ts',
      'test/api/users.test.ts',
      'test/api/workflows.test.ts',
      'test/house-style.test.ts',
      'test/isolation.test.ts',
      'test/models/catalogue.test.ts',
      'test/support/route-matrix.ts',
      'test/workflows/apply-retention.test.ts',
      'test/workflows/run-ends.test.ts',
    ];
    assert.deepEqual(
      sources.filter(({ lines }) => lines > 400).map(({ file }) => file),
      [],
    );
    assert.deepEqual(
      sources.filter(({ lines }) => lines > 200).map(({ file }) => file),
      longer,
    );
  });

  it('R1.5 has no folder deeper than three', () => {
    assert.deepEqual(
      sources.filter(({ file }) => file.split('/').length > 4),
      [],
    );
  });

  it('R1.5 names nothing by a word that means anything', () => {
    const empty = /(^|[/-])(utils?|helpers?|manager|service|handler|common|misc)([-./]|$)/;
    assert.deepEqual(
      sources.map(({ file }) => file).filter((file) => empty.test(file)),
      [],
    );
    assert.deepEqual(
      sources.filter(({ file }) => !/^[a-z0-9./-]+$/.test(file)),
      [],
    );
  });

  it('R1.5 leaves nothing for later without saying where that is written', () => {
    const pending = /\b(TODO|FIXME|XXX|HACK)\b/;
    const left = sources.filter(
      ({ file, text }) => file !== 'test/house-style.test.ts' && pending.test(text),
    );
    assert.deepEqual(
      left.map(({ file }) => file),
      [],
    );
  });

  it('R1.5 cites only files that exist, in documents and in comments', () => {
    const folders = 'activities|api|bench|deploy|docs|examples|models|policies|temporal|test|workflows';
    const cited = new RegExp(
      `(?<![\\w./-])(?:${folders})/[\\w./-]*\\w\\.(?:ts|md|sql|json|html|png|txt)(?![\\w*])`,
      'g',
    );
    const missing = [...sources, ...documents].flatMap(({ file, text }) =>
      [...text.matchAll(cited)]
        .map(([path]) => path)
        .filter((path) => !existsSync(path))
        .map((path) => `${file}: ${path}`),
    );
    assert.deepEqual(missing, []);
    const links = documents.flatMap(({ file, text }) =>
      [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
        .map((match) => join(dirname(file), match[1] ?? ''))
        .filter((path) => !existsSync(path))
        .map((path) => `${file}: ${path}`),
    );
    assert.deepEqual(links, []);
  });

  it('R1.5 names in its documents only commands that exist', async () => {
    const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as {
      scripts: Record<string, string>;
    };
    const named = documents.flatMap(({ file, text }) =>
      [...text.matchAll(/\bnpm run ([a-z:-]+)/g)].map((match) => ({ file, script: match[1] ?? '' })),
    );
    assert.deepEqual(
      named.filter(({ script }) => !(script in scripts)),
      [],
    );
  });
});
