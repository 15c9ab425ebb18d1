/**
 * Pages made of text that people chose, among them names that look like markup: whatever is put into a template is
 * escaped, unless it is a template itself.
 */
export type Html = { readonly markup: string };
type Part = Html | string | number | null | undefined | false | readonly Part[];

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (letter) => entities[letter] ?? letter);

export function html(texts: TemplateStringsArray, ...parts: Part[]): Html {
  return { markup: texts.map((text, at) => text + (at < parts.length ? written(parts[at]) : '')).join('') };
}

/** Of ours alone: a style sheet, a drawing. */
export const raw = (markup: string): Html => ({ markup });

function written(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (typeof part === 'string' || typeof part === 'number') return escaped(String(part));
  if ('markup' in part) return part.markup;
  return part.map(written).join('');
}
