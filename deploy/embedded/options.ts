import { parseArgs } from 'node:util';
import { PlainError } from './plain-error.ts';
import { defaultBase } from './ports.ts';

export type Options = { help: boolean; demo: boolean; port: number };

export const help = `Freehold, embedded: everything on this machine, in one terminal, all data in ./.freehold

  npm start                     start; the first time two example tenants are onboarded
  npm start -- --no-demo        start without onboarding them (a later start without this will)
  npm start -- --port 7500      use the ports 7500 to 7510 instead of ${defaultBase} to ${defaultBase + 10}
  npm start -- --help           this text

  Ctrl-C stops everything; the next start finds everything again.
  TEMPORAL_ADDRESS=host:port npm start    use that Temporal server instead of starting one
`;

export function readOptions(args: string[]): Options {
  const { values } = parse(args);
  const port = Number(values.port ?? defaultBase);
  if (!Number.isInteger(port) || port < 1024 || port > 65_525) {
    throw new PlainError(
      `--port ${values.port} does not fit: eleven ports from there are needed, so give a number from 1024 to 65525.`,
    );
  }
  return { help: values.help ?? false, demo: !values['no-demo'], port };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        help: { type: 'boolean', short: 'h' },
        'no-demo': { type: 'boolean' },
        port: { type: 'string' },
      },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('. ')[0] : cause;
    throw new PlainError(`${reason}. The options are --no-demo, --port N and --help.`, { cause });
  }
}
