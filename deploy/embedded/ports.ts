import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { PlainError } from './plain-error.ts';

export const defaultBase = 7400;

const purposes = {
  api: 'the API',
  apiMetrics: "the API's metrics",
  temporalUi: 'the Temporal UI',
  temporal: 'the Temporal server',
  temporalHttp: "the Temporal server's HTTP interface",
  temporalMetrics: "the Temporal server's metrics",
  postgresEu: 'Postgres eu',
  postgresUs: 'Postgres us',
  mailbox: 'the mailbox',
  workerMetrics: "the worker's metrics",
  demoModels: 'the demo model server',
};

type PortName = keyof typeof purposes;
export type Ports = Record<PortName, number>;

// Object.keys forgets the key type; the object above is closed.
const names = Object.keys(purposes) as PortName[];

/** One base, eleven ports in the order above: easy to remember, and a second installation needs only `--port`. */
export function portsFrom(base: number): Ports {
  // Every name gets its number, so the record is whole.
  return Object.fromEntries(names.map((name, at) => [name, base + at])) as Ports;
}

/** `patienceSeconds` is for the processes of a killed run that are just closing theirs. */
export async function assertFree(ports: Ports, ownTemporal: boolean, patienceSeconds: number): Promise<void> {
  const deadline = Date.now() + patienceSeconds * 1000;
  for (const name of names.filter((each) => ownTemporal || !each.startsWith('temporal'))) {
    while (!(await isFree(ports[name]))) {
      if (Date.now() > deadline) throw inUse(ports[name], purposes[name], ports.api);
      await sleep(100);
    }
  }
}

function inUse(port: number, purpose: string, base: number): PlainError {
  const other = base === defaultBase ? defaultBase + 100 : defaultBase;
  return new PlainError(
    `Port ${port}, which ${purpose} needs, is in use by another program: end that program, or start on eleven other ports, for example with: npm start -- --port ${other}`,
  );
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = createServer();
  probe.once('error', () => resolve(false));
  probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  return promise;
}
