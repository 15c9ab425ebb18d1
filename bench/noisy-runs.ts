import { setTimeout as pause } from 'node:timers/promises';
import { currentPlan } from '../policies/plans.ts';
import { startWorker } from '../test/support/installation.ts';
import { operator } from '../test/support/lifecycle.ts';
import { runner } from '../test/support/run-stage.ts';
import { makeWorkflow, startOutside } from '../test/support/run-world.ts';
import { type Bench, say } from './equipment.ts';
import { type Forked, forked } from './forked.ts';
import type { Looped, Looping, Workload } from './looping-runs.ts';
import { interleaved, quantile } from './statistics.ts';
import type { Line } from './table.ts';

/**
 * Ten tenants with a run at a time each keep the machine busy, so a run at a time is what each one's share is; then one of
 * them has twenty. Beside it, what two tenants notice who have an idle machine for themselves until somebody comes with
 * forty: there is no share that would keep a machine idle for them, so this has no budget.
 */
const tenants = 10;
const times = 20;
const many = 40;
const steps = Array.from({ length: 3 }, (_, at) => ({
  id: `s${at}`,
  kind: 'condition',
  if: 'true',
  after: at === 0 ? [] : [`s${at - 1}`],
}));

type Asked = { repetitions: number; seconds: number };

export async function linesOfRuns({ settings }: Bench, { repetitions, seconds }: Asked): Promise<Line[]> {
  const worker = await startWorker({ ...settings, NODE_ENV: 'production' });
  const outside = await startOutside();
  const principal = await operator();
  const module = new URL('./looping-runs.ts', import.meta.url);
  const [calm, noise] = [forked(module), forked(module)];
  const weight = currentPlan('team')?.weight ?? 1;
  const workload = async (): Promise<Workload> => {
    const by = await runner(principal, outside);
    return { by, workflowId: await makeWorkflow(by.tenantId, { steps }), weight };
  };
  try {
    const others = await Promise.all(Array.from({ length: tenants - 1 }, workload));
    const noisy = await workload();
    const beside = (loads: Workload[], atOnce: number) => async () => {
      const stopNoise = loop(noise, { settings, loads: [noisy], atOnce });
      await pause(settleMs);
      const stop = loop(calm, { settings, loads, atOnce: 1 });
      await pause(seconds * 1_000);
      const { milliseconds } = await stop();
      await stopNoise();
      return quantile(milliseconds, 0.99);
    };
    say(`${tenants} tenants with a run at a time, then one of them with ${times} …`);
    const results = await interleaved(
      [
        { name: 'share', measure: beside(others, 1) },
        { name: 'noise', measure: beside(others, times) },
        { name: 'idle', measure: beside(others.slice(0, 2), 0) },
        { name: 'taken', measure: beside(others.slice(0, 2), many) },
      ],
      repetitions,
      1,
    );
    return linesFrom((name) => results.get(name) ?? []);
  } finally {
    await Promise.all([worker.stop(), outside.stop(), calm.stop(), noise.stop()]);
  }
}

const settleMs = 1_000;

function loop(by: Forked, looping: Looping): () => Promise<Looped> {
  const done = by.ask<Looped>(looping);
  return () => {
    by.process.send('stop');
    return done;
  };
}

const linesFrom = (values: (name: string) => number[]): Line[] => [
  {
    what: `runs of ${tenants - 1} tenants beside one more at its share, p99 (floor)`,
    unit: 'ms',
    values: values('share'),
  },
  {
    what: `the same beside it at ${times} times its share`,
    unit: 'ms',
    values: values('noise'),
    floor: values('share'),
    budget: { atMost: 1.2 },
  },
  { what: 'runs of two tenants on an idle machine, p99 (floor)', unit: 'ms', values: values('idle') },
  {
    what: `the same beside one with ${many} at a time`,
    unit: 'ms',
    values: values('taken'),
    floor: values('idle'),
  },
];
