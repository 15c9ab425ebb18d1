import { AsyncLocalStorage } from 'node:async_hooks';
import { Sequelize } from 'sequelize';

/**
 * The transaction a model call belongs to, carried by the call chain: Sequelize asks this for it, so that no
 * query inside `inTenant` or `inSystem` can forget its transaction.
 */
const carried = new AsyncLocalStorage<Map<string, unknown>>();
Sequelize.useCLS({
  run: (act: (context: unknown) => unknown) => carried.run(new Map(carried.getStore()), () => act(undefined)),
  bind: (act: unknown) => act,
  get: (key: string) => carried.getStore()?.get(key),
  set: (key: string, value: unknown) => carried.getStore()?.set(key, value),
});
