import { bounds } from './security-policy.ts';

/**
 * Whether a password may be chosen (NIST SP 800-63B: length and no known ones, no rules about kinds of characters).
 * Each fault is a sentence that says what to do. Refused is also a common password with a few digits or marks around
 * it, for these are what is tried next, and one that is little more than a name.
 */
export type About = { names: string[]; lengthMin: number };

export function passwordFaults(
  password: string,
  { names, lengthMin }: About,
  isCommon: (word: string) => boolean,
): string[] {
  const plain = password.normalize('NFKC');
  const word = plain.toLowerCase();
  const length = [...plain].length;
  return [
    ...(length < lengthMin ? [`must have at least ${lengthMin} characters`] : []),
    ...(length > bounds.passwordLength.max
      ? [`must have at most ${bounds.passwordLength.max} characters`]
      : []),
    ...(isCommon(word) || isCommon(core(word))
      ? ['is one of the passwords that are tried first; choose another']
      : []),
    ...(new Set(word).size < distinctMin ? ['must not be the same few characters over and over'] : []),
    ...(madeOf(word, names) ? ['must not be made of your name, e-mail address or organisation'] : []),
  ];
}

const distinctMin = 5;
/** As much as people add to a password that was refused. */
const trimmingsMax = 6;
/** What has this much beside a name is not made of it. */
const besideMin = 6;
const nameLengthMin = 3;

function core(word: string): string {
  const inner = word.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '');
  return word.length - inner.length <= trimmingsMax ? inner : word;
}

/** What is left of it without the names in it, and without what stands between them, is too little. */
function madeOf(word: string, names: string[]): boolean {
  const parts = names
    .flatMap((name) => {
      const plain = name.normalize('NFKC').toLowerCase();
      return [plain, ...plain.split(/[^\p{L}\p{N}]+/u)];
    })
    .filter((part) => part.length >= nameLengthMin)
    .toSorted((a, b) => b.length - a.length);
  const rest = parts.reduce((left, part) => left.replaceAll(part, ''), word);
  return rest !== word && rest.replace(/[^\p{L}\p{N}]+/gu, '').length < besideMin;
}
