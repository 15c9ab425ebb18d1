import { Refusal } from './refusal.ts';

/** Texts with expressions in `{{ … }}`. An expression may itself hold braces and quoted text, so they are counted. */
export type Part = { text: string } | { expression: string };

// Each is parsed and run by itself; a text that needs more is not a template but a program.
const expressionsMax = 100;
/** In JSON with texts in many places: they are all looked at when it is saved. */
export const expressionsInJsonMax = 1_000;
export const tooManyInJson = `must hold at most ${expressionsInJsonMax} expressions`;

export function partsOf(template: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (;;) {
    const from = template.indexOf('{{', at);
    if (from < 0) break;
    if (from > at) parts.push({ text: template.slice(at, from) });
    const to = endOf(template, from + 2);
    parts.push({ expression: template.slice(from + 2, to).trim() });
    if (parts.length > 2 * expressionsMax)
      throw new Refusal('unprocessable', `A text may hold at most ${expressionsMax} expressions.`);
    at = to + 2;
  }
  if (at < template.length) parts.push({ text: template.slice(at) });
  return parts;
}

/** Where the `}}` stands that belongs to the `{{` before. */
function endOf(template: string, from: number): number {
  let depth = 0;
  for (let at = from; at < template.length; at++) {
    const mark = template[at];
    if (mark === '"' || mark === "'") at = endOfQuoted(template, at);
    else if (mark === '{') depth++;
    else if (mark === '}' && depth > 0) depth--;
    else if (mark === '}' && template[at + 1] === '}') return at;
  }
  const beginning = template.slice(from, from + 40).trim();
  throw new Refusal('unprocessable', `The expression that begins with “${beginning}” is not closed by “}}”.`);
}

function endOfQuoted(template: string, from: number): number {
  for (let at = from + 1; at < template.length; at++) {
    if (template[at] === '\\') at++;
    else if (template[at] === template[from]) return at;
  }
  return template.length;
}
