import { CsvError, type Info, parse } from 'csv-parse/sync';
import { Refusal } from '../policies/refusal.ts';
import { textFault } from './body.ts';

/**
 * People to invite as a spreadsheet gives them: a first line that names the columns, one person a line, roles separated
 * by spaces or semicolons. What it makes is judged by the same shapes as JSON.
 */
const columns = ['email', 'name', 'roles'];

type Line = Record<string, string>;

export function invitationsOfCsv(text: string): { invitations: object[] } {
  const faults = textFault(text, '');
  if (faults.length > 0)
    throw new Refusal('invalid-request', 'The CSV is not acceptable.', { errors: faults });
  return { invitations: linesOf(text).map(invitationOf) };
}

function linesOf(text: string): Line[] {
  try {
    return parse(text, { bom: true, trim: true, skip_empty_lines: true, columns: checkedHeader });
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    const { lines } = cause as CsvError & Partial<Info>; // csv-parse puts where it stood on the error
    const detail = `Line ${lines ?? 1}: ${cause.message}`;
    throw new Refusal('invalid-request', 'The body is not CSV as expected.', {
      cause,
      errors: [{ pointer: '', code: 'not-csv', detail }],
    });
  }
}

function checkedHeader(found: string[]): string[] {
  const names = found.map((name) => name.toLowerCase());
  const acceptable =
    new Set(names).size === names.length &&
    names.every((name) => columns.includes(name)) &&
    ['email', 'roles'].every((name) => names.includes(name));
  if (acceptable) return names;
  const detail = `Line 1 must name the columns ${columns.join(', ')} (name may be left out); it says ${found.join(', ')}.`;
  throw new Refusal('invalid-request', 'The body is not CSV as expected.', {
    errors: [{ pointer: '', code: 'wrong-header', detail }],
  });
}

function invitationOf({ email, name, roles = '' }: Line): object {
  return { email, ...(name && { name }), roles: roles.split(/[\s;]+/).filter(Boolean) };
}
