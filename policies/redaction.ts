import ipaddr from 'ipaddr.js';
import type { Settings } from './setting-inheritance.ts';
import type { Detector } from './settings-shapes.ts';

/**
 * Blackens personal data in a text. Patterns of our own, each of bounded length and each hit checked by what makes such
 * a number valid, so that order numbers and hashes stay readable. Time grows with the length of the text and with
 * nothing else. What it finds and what it misses is measured over test/policies/redaction-corpus.txt, where a library
 * of patterns was measured as well and found fewer. Names of people are not looked for.
 */
type Detection = {
  pattern: RegExp;
  valid?: (found: string) => boolean;
  /** Where the words behind it look like more of it. */
  shorter?: true;
};

/** Neither in the middle of a word or a number, nor behind a hyphen, dot or slash that belongs to one. */
const before = String.raw`(?<![\p{L}\p{N}_])(?<![\p{L}\p{N}][-./])`;
const after = String.raw`(?![\p{L}\p{N}_])`;
const alone = (inner: string) => new RegExp(before + inner + after, 'giu');

/** In this order: what one has blackened the next does not see. */
const detections: Record<Detector, Detection> = {
  email: {
    pattern:
      /(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,24}(?![\p{L}\p{N}])/giu,
  },
  iban: {
    pattern: alone(String.raw`(?!RF)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,38}`),
    valid: isIban,
    shorter: true,
  },
  card: { pattern: alone(String.raw`(?<!\+)\d(?:[ -]?\d){12,18}`), valid: isCard },
  ssn: { pattern: alone(String.raw`(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}`) },
  ip: {
    pattern:
      /(?<![\p{L}\p{N}.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?!\p{L}|\p{N}|\.\d)|[\da-f]{0,4}(?::[\da-f]{0,4}){2,7}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![\p{L}\p{N}:]|\.\d))/giu,
    valid: isAddress,
  },
  phone: {
    pattern: new RegExp(
      String.raw`${before}(?<!\d )(?:(?:\+|00)\d{8,15}|(?:\+|00)?\(?\d{1,5}\)?(?:[ ./-]{1,3}\(?\d{1,8}\)?){1,6})${after}`,
      'giu',
    ),
    valid: isPhone,
  },
};

// The type of Object.keys forgets the keys; the object above is closed.
const inOrder = Object.keys(detections) as Detector[];

/** The text with everything that the tenant's settings take for personal data blackened. */
export function redact(text: string, settings: Pick<Settings, 'get'>): string {
  const asked = settings.get('privacy.detectors');
  const known = inOrder.filter((detector) => asked.includes(detector)).reduce(blacken, text);
  return settings.get('privacy.terms').reduce(blackenTerm, known);
}

/** What begins like such a number and is none may have one inside, so the search goes on right behind its beginning. */
function blacken(text: string, detector: Detector): string {
  const { pattern, valid = () => true, shorter } = detections[detector];
  const search = new RegExp(pattern);
  let [told, at] = ['', 0];
  for (let match = search.exec(text); match; match = search.exec(text)) {
    const candidates = shorter ? beginnings(match[0]) : [match[0]];
    const found = candidates.find(valid);
    if (found === undefined) {
      search.lastIndex = match.index + 1;
      continue;
    }
    told += `${text.slice(at, match.index)}[${detector}]`;
    at = match.index + found.length;
    search.lastIndex = at;
  }
  return told + text.slice(at);
}

/** The whole, and whatever of it ends before a blank or hyphen; longest first. */
function beginnings(text: string): string[] {
  const ends = [...text.matchAll(/[ -]/g)].map((match) => match.index);
  return [...ends, text.length].reverse().map((end) => text.slice(0, end));
}

/** However it is spelled, for whoever writes “Project Blue” also writes “project blue”. */
function blackenTerm(text: string, term: string): string {
  const literally = term.replaceAll(/[\^$\\.*+?()[\]{}|/]/g, '\\$&');
  return text.replaceAll(new RegExp(literally, 'giu'), '[term]');
}

const digitsOf = (text: string) => text.replaceAll(/\D/g, '');

function isIban(found: string): boolean {
  const text = found.replaceAll(/[ -]/g, '').toUpperCase();
  if (text.length < 15 || text.length > 34) return false;
  const turned = text.slice(4) + text.slice(0, 4);
  let rest = 0;
  for (const letter of turned) {
    const value = Number.parseInt(letter, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

/** By the check digit of Luhn; a run of one digit passes it and is nobody's card. */
function isCard(found: string): boolean {
  const digits = digitsOf(found);
  if (digits.length < 13 || digits.length > 19 || /^(\d)\1+$/.test(digits) || digits.startsWith('0'))
    return false;
  const sum = [...digits].reverse().reduce((total, digit, at) => {
    const value = Number(digit) * (at % 2 === 0 ? 1 : 2);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

function isAddress(found: string): boolean {
  return found.includes(':')
    ? digitsOf(found).length > 0 && ipaddr.IPv6.isValid(found)
    : ipaddr.IPv4.isValidFourPartDecimal(found);
}

const dates = /^(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4})$/;

/** Abroad with + or 00; at home with a leading 0 or an area code in brackets; or as numbers are written in North America. */
function isPhone(found: string): boolean {
  const count = digitsOf(found).length;
  if (dates.test(found)) return false;
  if (/^(\+|00)[1-9(]/.test(found)) return count >= 8 && count <= 17;
  if (/^\(0?\d{2,5}\)/.test(found) || /^0[1-9]/.test(found)) return count >= 8 && count <= 12;
  return /^(1[-. ])?[2-9]\d{2}[-. ][2-9]\d{2}[-. ]\d{4}$/.test(found);
}
