import { readFileSync } from 'node:fs';
import { Client, Connection, WorkflowClient } from '@temporalio/client';
import { newId } from '../models/ids.ts';
import { runDataConverter, temporalNamespaceOf } from '../temporal/run-namespace.ts';
import { startWorker } from '../test/support/installation.ts';
import { operator } from '../test/support/lifecycle.ts';
import { begun, type Runner, runner } from '../test/support/run-stage.ts';
import { makeWorkflow, startOutside } from '../test/support/run-world.ts';
import { runWorkflowId } from '../workflows/run-registry.ts';
import type { bareSteps } from './bare-workflow.ts';
import { type Bench, say, withEquipment } from './equipment.ts';
import { forked } from './forked.ts';
import { interleaved, milliseconds } from './statistics.ts';
import { report } from './table.ts';

/**
 * What a step of a run costs over a bare activity: a run of ten conditions (each evaluated, recorded and told of, with
 * everything sealed) against a bare workflow of as many activities; then how many run at once, and what waiting costs.
 */
const taskQueue = 'bench-bare';
const steps = 10;
/** The steps, and what begins and closes the run. */
const activities = steps + 2;
const atOnce = 8;
const perRound = 24;

export function benchRuns({
  repetitions,
  waiting,
}: {
  repetitions: number;
  waiting: number;
}): Promise<boolean> {
  return withEquipment(async (bench) => report('run', await linesOf(bench, repetitions, waiting)));
}

async function linesOf({ settings, config }: Bench, repetitions: number, waiting: number) {
  const { address, namespace } = config.temporal;
  const worker = await startWorker({ ...settings, NODE_ENV: 'production' });
  const bareWorker = forked(new URL('./bare-worker.ts', import.meta.url));
  const connection = await Connection.connect({ address });
  const outside = await startOutside();
  try {
    await bareWorker.ask<string>({ address, namespace, taskQueue, adminUrl: config.systemUrl });
    const principal = await operator();
    const by = await runner(principal, outside);
    const workflowId = await makeWorkflow(by.tenantId, { steps: chain() });
    const runs = new WorkflowClient({
      connection,
      namespace: temporalNamespaceOf(config, 'eu'),
      dataConverter: runDataConverter,
    });
    const control = new Client({ connection, namespace });
    const product = async () => {
      const runId = await begun(by, { workflowId });
      await runs.getHandle(runWorkflowId(by.tenantId, runId)).result();
    };
    const floor = () =>
      control.workflow.execute<typeof bareSteps>('bareSteps', {
        workflowId: newId('op'),
        taskQueue,
        args: [activities],
      });
    const measured = await measure(floor, product, repetitions);
    const pid = Number(worker.process.pid);
    return [...measured, await memoryLine(pid, waiting, () => runner(principal, outside))];
  } finally {
    bareWorker.process.disconnect();
    await Promise.all([worker.stop(), bareWorker.stop(), connection.close(), outside.stop()]);
  }
}

const chain = () =>
  Array.from({ length: steps }, (_, index) => ({
    id: `s${index}`,
    kind: 'condition',
    if: 'true',
    after: index === 0 ? [] : [`s${index - 1}`],
  }));

type Making = () => Promise<unknown>;

async function measure(floor: Making, product: Making, repetitions: number) {
  const both = (how: (make: Making) => Promise<number>) => [
    { name: 'floor', measure: () => how(floor) },
    { name: 'product', measure: () => how(product) },
  ];
  say(`${activities} activities, one run at a time, then ${perRound} runs ${atOnce} at once …`);
  const single = await interleaved(both(milliseconds), repetitions * 2, 3);
  const many = await interleaved(both(perSecond), Math.ceil(repetitions / 3), 1);
  const of = (results: Map<string, number[]>, name: string) => results.get(name) ?? [];
  return [
    {
      what: `a bare workflow of ${activities} activities (floor)`,
      unit: 'ms' as const,
      values: of(single, 'floor'),
    },
    {
      what: `a run of ${steps} steps, from its start to its end`,
      unit: 'ms' as const,
      values: of(single, 'product'),
      floor: of(single, 'floor'),
      budget: { atMost: 1.5 },
    },
    { what: `${atOnce} at once: bare workflows (floor)`, unit: '/s' as const, values: of(many, 'floor') },
    {
      what: `${atOnce} at once: runs`,
      unit: '/s' as const,
      values: of(many, 'product'),
      floor: of(many, 'floor'),
    },
  ];
}

async function perSecond(make: Making): Promise<number> {
  let left = perRound;
  const took = await milliseconds(() =>
    Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (left-- > 0) await make();
      }),
    ),
  );
  return (perRound * 1_000) / took;
}

// Below what a tenant may have under way by default.
const perTenant = 90;

/** What the worker holds more when that many runs wait for people, per thousand of them. */
async function memoryLine(pid: number, waiting: number, tenant: () => Promise<Runner>) {
  const before = residentMegabytes(pid);
  for (let left = waiting; left > 0; left -= perTenant) {
    const by = await tenant();
    const workflowId = await makeWorkflow(by.tenantId, {
      steps: [{ id: 'ask', kind: 'approval', role: 'owner', question: 'Go on?' }],
    });
    for (let count = Math.min(left, perTenant); count > 0; count -= atOnce)
      await Promise.all(Array.from({ length: Math.min(count, atOnce) }, () => begun(by, { workflowId })));
  }
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const grown = ((residentMegabytes(pid) - before) * 1_000) / waiting;
  return { what: 'the worker’s memory per 1,000 runs that wait', unit: 'MB' as const, values: [grown] };
}

function residentMegabytes(pid: number): number {
  const [, kilobytes = '0'] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}
