/** What the benches say about a series of measurements. Medians, because the machine is rarely ours alone. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('there is nothing to take a quantile of');
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Half the distance between the quartiles, as a share of the median: how far the machine moved under our feet. */
export function noise(values: readonly number[]): number {
  const spread = (quantile(values, 0.75) - quantile(values, 0.25)) / 2;
  return spread === 0 ? 0 : spread / median(values);
}

export type Variant = { name: string; measure: () => Promise<number> };

/**
 * Measures all variants in each repetition, so that a slow phase of the machine hits all alike. Each repetition
 * begins with another variant, so that none always comes after the same one.
 */
export async function interleaved(
  variants: readonly Variant[],
  repetitions: number,
  warmUps = 0,
): Promise<Map<string, number[]>> {
  const measured = new Map<string, number[]>(variants.map(({ name }) => [name, []]));
  for (let repetition = -warmUps; repetition < repetitions; repetition++) {
    const first = Math.abs(repetition) % variants.length;
    for (const variant of [...variants.slice(first), ...variants.slice(0, first)]) {
      const value = await variant.measure();
      if (repetition >= 0) measured.get(variant.name)?.push(value);
    }
  }
  return measured;
}

export async function milliseconds(act: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await act();
  return performance.now() - started;
}
