import type { Forked } from './forked.ts';
import type { Load, Loaded } from './load.ts';

/** Asks the load generator, and refuses measurements in which something was refused. */
export async function loaded(load: Forked, asked: Load): Promise<Loaded> {
  const measured = await load.ask<Loaded>(asked);
  if (measured.failed > 0) throw new Error(`${asked.url} refused ${measured.failed} requests`);
  return measured;
}

export async function perSecond(load: Forked, asked: Load): Promise<number> {
  return (await loaded(load, asked)).perSecond;
}
