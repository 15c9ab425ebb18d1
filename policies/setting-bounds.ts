/**
 * How a value is kept within what another says: platform and plan give the most there is, compliance packs the bound
 * that holds while they are applied. Pure: the same answers where a change is judged and where a value is used.
 */
export type Bound =
  | { least: number }
  /** null would be for ever, or everything: it is beyond every most. */
  | { most: number }
  | { onlyFrom: readonly (string | number)[] }
  | { atLeastAll: readonly string[] };

type Value = unknown;
type Item = string | number;
const items = (value: Value): readonly Item[] => (Array.isArray(value) ? (value as Item[]) : []);

export function within(value: Value, bound: Bound): boolean {
  if ('least' in bound) return value === null || Number(value) >= bound.least;
  if ('most' in bound) return value !== null && Number(value) <= bound.most;
  if ('onlyFrom' in bound)
    return value !== null && items(value).every((item) => bound.onlyFrom.some((wide) => covers(wide, item)));
  return bound.atLeastAll.every((item) => items(value).includes(item));
}

/** The value nearest to this one that is within the bound. */
export function brought(value: Value, bound: Bound): Value {
  if (within(value, bound)) return value;
  if ('least' in bound) return bound.least;
  if ('most' in bound) return bound.most;
  if ('onlyFrom' in bound) return value === null ? [...bound.onlyFrom] : common(items(value), bound.onlyFrom);
  return [...new Set([...items(value), ...bound.atLeastAll])];
}

export function inWords(bound: Bound): string {
  if ('least' in bound) return `at least ${bound.least}, or null`;
  if ('most' in bound) return `at most ${bound.most}`;
  if ('onlyFrom' in bound) return `only from ${bound.onlyFrom.join(', ') || 'nothing at all'}`;
  return `at least ${bound.atLeastAll.join(', ')}`;
}

/** Whether no value can be within both. */
export function exclude(one: Bound, other: Bound): boolean {
  if ('least' in one && 'most' in other) return one.least > other.most;
  if ('most' in one && 'least' in other) return other.least > one.most;
  if ('onlyFrom' in one && 'onlyFrom' in other) return common(one.onlyFrom, other.onlyFrom).length === 0;
  if ('onlyFrom' in one && 'atLeastAll' in other) return !within(other.atLeastAll, one);
  if ('atLeastAll' in one && 'onlyFrom' in other) return !within(one.atLeastAll, other);
  return false;
}

/** Whether `lower` takes no more than `upper` gives: numbers by size, lists by what they let through. */
export function narrower(upper: Value, lower: Value): boolean {
  if (upper === null) return true;
  return within(lower, typeof upper === 'number' ? { most: upper } : { onlyFrom: items(upper) });
}

export function narrowed(upper: Value, lower: Value): Value {
  if (upper === null) return lower;
  return brought(lower, typeof upper === 'number' ? { most: upper } : { onlyFrom: items(upper) });
}

/** What both lists let through: of each the entries that the other covers. */
function common(one: readonly Item[], other: readonly Item[]): Item[] {
  const inside = (from: readonly Item[], wide: readonly Item[]) =>
    from.filter((item) => wide.some((each) => covers(each, item)));
  return [...new Set([...inside(one, other), ...inside(other, one)])];
}

/**
 * Whether everything that `narrow` stands for, `wide` stands for as well. A star in `narrow` is taken for a character
 * that only a star matches. Two pointers instead of a pattern: linear but for the stars, whatever was written.
 */
export function covers(wide: Item, narrow: Item): boolean {
  const [pattern, text] = [String(wide), String(narrow)];
  let [at, from, star, resume] = [0, 0, -1, 0];
  while (from < text.length) {
    if (pattern[at] === '*') {
      star = at++;
      resume = from;
    } else if (pattern[at] === text[from]) {
      at++;
      from++;
    } else if (star >= 0) {
      at = star + 1;
      from = ++resume;
    } else return false;
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}
