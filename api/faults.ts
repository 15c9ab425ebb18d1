import type { z } from 'zod';
import type { Fault } from '../policies/refusal.ts';

/** What zod found, as faults with a sentence each that says what to write instead; `known` are the fields there are. */
export function faultsOf(
  error: z.ZodError,
  pointer: (path: PropertyKey[]) => string,
  known: readonly string[] = [],
): Fault[] {
  const instead = known.length > 0 ? ` There are: ${known.join(', ')}.` : '';
  return error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({
          pointer: pointer([...issue.path, key]),
          code: 'unknown-field',
          detail: `“${key}” is not a field here.${instead}`,
        }))
      : [{ pointer: pointer(issue.path), code: codeOf(issue), detail: sentenceOf(issue.message) }],
  );
}

function codeOf({ code, message }: z.core.$ZodIssue): string {
  if (code === 'custom') return 'not-acceptable';
  return message.endsWith('received undefined') ? 'missing' : code.replaceAll('_', '-');
}

const kinds: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
};

/** zod's own sentences speak of types; those we wrote ourselves pass as they are. */
const translations: [RegExp, (...found: string[]) => string][] = [
  [
    /^Invalid input: expected (\w+), received undefined$/,
    (kind = '') => `is missing; it must be ${kinds[kind] ?? kind}`,
  ],
  [/^Invalid input: expected (\w+), received \w+$/, (kind = '') => `must be ${kinds[kind] ?? kind}`],
  [/^Too small: expected \w+ to be >=?(\S+)$/, (least = '') => `must be at least ${least}`],
  [/^Too big: expected \w+ to be <=?(\S+)$/, (most = '') => `must be at most ${most}`],
  [
    /^Too big: expected string to have <=(\d+) characters$/,
    (most = '') => `must have at most ${most} characters`,
  ],
  [/^Invalid ISO datetime$/, () => 'must be a time like 2026-12-31T23:00:00Z'],
  // The many ways in which zod lets one say yes and no.
  [/^Invalid option: expected one of "true"\|"1"/, () => 'must be true or false'],
  [/^Invalid discriminator value\. Expected (.+)$/, (options = '') => oneOf(options, ' | ')],
  [/^Invalid option: expected one of (.+)$/, (options = '') => oneOf(options, '|')],
];

const oneOf = (options: string, between: string) => `must be one of ${options.replaceAll(between, ', ')}`;

function sentenceOf(message: string): string {
  for (const [pattern, sentence] of translations) {
    const match = pattern.exec(message);
    if (match) return sentence(...match.slice(1));
  }
  return message;
}
