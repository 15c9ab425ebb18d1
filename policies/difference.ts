/** In which places two values of JSON differ, by JSON pointers: whole lists where their lengths do. */
export type Difference = { pointer: string; before?: unknown; after?: unknown };

export function differences(before: unknown, after: unknown, pointer = ''): Difference[] {
  if (Object.is(before, after)) return [];
  if (!isObject(before) || !isObject(after) || !areAlike(before, after))
    return [{ pointer, ...(before !== undefined && { before }), ...(after !== undefined && { after }) }];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) =>
    differences(
      own(before, name),
      own(after, name),
      `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
    ),
  );
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function areAlike(before: object, after: object): boolean {
  if (!Array.isArray(before) || !Array.isArray(after)) return Array.isArray(before) === Array.isArray(after);
  return before.length === after.length;
}

const own = (of: object, name: string): unknown =>
  Object.hasOwn(of, name) ? Reflect.get(of, name) : undefined;
