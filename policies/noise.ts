/**
 * How much of what a cell's tenants share each takes, against what its plan gives it: a tenant with a tenth of the weight
 * that takes a fifth of the database is twice as noisy as it may be. Pure.
 */
export const sharedMeters = ['compute.database-seconds', 'compute.worker-seconds', 'api-calls'] as const;
type SharedMeter = (typeof sharedMeters)[number];

export type Neighbour = {
  id: string;
  cell: string;
  weight: number;
  used: { [Meter in SharedMeter]?: number };
};
export type Noise = {
  id: string;
  weightShare: number;
  shares: Record<SharedMeter, number>;
  /** The greatest share against the share of weight; above 1 it takes more than its own. */
  noise: number;
};

export function noiseOf(neighbours: readonly Neighbour[]): Noise[] {
  return [...Map.groupBy(neighbours, ({ cell }) => cell).values()]
    .flatMap(noiseIn)
    .sort((a, b) => b.noise - a.noise);
}

function noiseIn(neighbours: readonly Neighbour[]): Noise[] {
  const weights = neighbours.reduce((sum, { weight }) => sum + weight, 0);
  const total = (meter: SharedMeter) => neighbours.reduce((sum, { used }) => sum + (used[meter] ?? 0), 0);
  const totals = sharedMeters.map((meter) => [meter, total(meter)] as const);
  return neighbours.map(({ id, weight, used }) => {
    const weightShare = weights > 0 ? weight / weights : 0;
    // Built from the list of all of them.
    const shares = Object.fromEntries(
      totals.map(([meter, all]) => [meter, all > 0 ? (used[meter] ?? 0) / all : 0]),
    ) as Record<SharedMeter, number>;
    const noise = weightShare > 0 ? Math.max(...Object.values(shares)) / weightShare : 0;
    return { id, weightShare, shares, noise };
  });
}
