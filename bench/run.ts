import { parseArgs } from 'node:util';
import { benchAuthorise } from './authorise.ts';
import { benchCrypto } from './crypto.ts';
import { say } from './equipment.ts';
import { benchHttp } from './http.ts';
import { benchIngest } from './ingest.ts';
import { benchList } from './list.ts';
import { benchMemory } from './memory.ts';
import { benchNoisy } from './noisy.ts';
import { benchProvision } from './provision.ts';
import { benchRead } from './read.ts';
import { benchReserve } from './reserve.ts';
import { benchRuns } from './runs.ts';
import { benchSignIn } from './sign-in.ts';
import { benchStale } from './stale.ts';

/** `npm run bench -- <bench>`: floor and product in one interleaved run, against the budgets of the architecture. */
const usage = `Usage: npm run bench -- provision|read|http|memory|signin|authorise|list|stale|crypto|run|ingest|noisy|reserve

  provision  [--sizes 1,100,1000]  make a tenant: its schema at these sizes, then POST /v1/tenants until it is active
  read                             read one row inside a tenant
  http       [--seconds 4]         GET one agent over HTTP
  memory     [--tenants 2000]      API and worker at rest
  signin     [--seconds 4]         POST /v1/sessions against bare argon2
  authorise  [--seconds 4]         a read by key and by session against an anonymous route
  list       [--seconds 4]         50 of 100,000 agents by a conditional role, against the SQL by hand
  stale                            two API processes around 250 changes of rights; what knowing them costs
  crypto                           an authorised read with two sealed fields against the same plain one
  run        [--waiting 1000]      a step of a run against a bare activity; runs a second; memory of runs that wait
  ingest                           readings into the meter, deduped and summed, against COPY
  noisy      [--seconds 4]         p99 of two quiet tenants beside one at 20 times its share, over HTTP and over runs
  reserve                          reservations of one limit and of 100 tenants' against one conditional UPDATE
  all: [--repetitions 15]`;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    sizes: { type: 'string', default: '1,100,1000' },
    tenants: { type: 'string', default: '2000' },
    repetitions: { type: 'string', default: '15' },
    seconds: { type: 'string', default: '4' },
    waiting: { type: 'string', default: '1000' },
  },
});

const repetitions = Number(values.repetitions);
const benches: Record<string, () => Promise<boolean>> = {
  provision: () => benchProvision({ sizes: values.sizes.split(',').map(Number), repetitions }),
  read: () => benchRead({ repetitions }),
  http: () => benchHttp({ repetitions, seconds: Number(values.seconds) }),
  memory: () => benchMemory({ tenants: Number(values.tenants) }),
  signin: () => benchSignIn({ repetitions, seconds: Number(values.seconds) }),
  authorise: () => benchAuthorise({ repetitions, seconds: Number(values.seconds) }),
  list: () => benchList({ repetitions, seconds: Number(values.seconds) }),
  stale: () => benchStale({ repetitions }),
  crypto: () => benchCrypto({ repetitions }),
  ingest: () => benchIngest({ repetitions }),
  noisy: () => benchNoisy({ repetitions, seconds: Number(values.seconds) }),
  reserve: () => benchReserve({ repetitions }),
  run: () => benchRuns({ repetitions, waiting: Number(values.waiting) }),
};

const bench = benches[positionals[0] ?? ''];
if (!bench) {
  say(usage);
  process.exit(64);
}
process.exit((await bench()) ? 0 : 1);
