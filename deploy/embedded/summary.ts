import type { Home } from './home.ts';
import { answersOk } from './http-ready.ts';
import type { Ports } from './ports.ts';
import { type Databases, demoModelsUrl } from './product.ts';
import { writeSecret } from './secret-file.ts';

/** For scripts and tools: where everything is. Parts that are not there are left out. */
export type Endpoints = {
  api: string;
  docs: string;
  console?: string;
  temporalUi?: string;
  temporal: string;
  metrics: string;
  /** No model, but rules: for model providers of the kind `demo`. */
  demoModels: string;
  databases: Databases;
};

export async function writeEndpoints(
  home: Home,
  ports: Ports,
  databases: Databases,
  temporal: { address: string; own: boolean },
): Promise<Endpoints> {
  const api = `http://127.0.0.1:${ports.api}`;
  const console = `${api}/console`;
  const endpoints: Endpoints = {
    api,
    docs: `${api}/docs`,
    ...((await answersOk(console)) && { console }),
    ...(temporal.own && { temporalUi: `http://127.0.0.1:${ports.temporalUi}` }),
    temporal: temporal.address,
    metrics: `http://127.0.0.1:${ports.apiMetrics}/metrics`,
    demoModels: demoModelsUrl(ports),
    databases,
  };
  await writeSecret(home.endpoints, `${JSON.stringify(endpoints, undefined, 2)}\n`);
  return endpoints;
}

export function summary(home: Home, endpoints: Endpoints, operatorKey: string, seconds: number): string {
  const { api, docs, console, temporalUi } = endpoints;
  const curl = `curl -s -H "Authorization: Bearer $(cat ${quoted(home.operatorKey)})"`;
  const third = {
    slug: 'initech',
    name: 'Initech',
    region: 'eu',
    plan: 'team',
    admin: { email: 'bill@initech.example', name: 'Bill Lumbergh' },
  };
  return `
Freehold is running (ready in ${seconds.toFixed(1)} s). Ctrl-C stops it; the next start finds everything again.

  API             ${api}/v1
  API reference   ${docs}
${console ? `  Console         ${console}\n` : ''}${temporalUi ? `  Temporal UI     ${temporalUi}/namespaces/freehold/workflows\n` : ''}  Demo models     ${endpoints.demoModels}
  Operator's key  ${operatorKey}
  Data and logs   ${home.directory}

Try next, in another terminal:

  # the tenants
  ${curl} ${api}/v1/tenants

  # onboard a third one
  ${curl} -H 'Idempotency-Key: initech-1' -H 'Content-Type: application/json' -d '${JSON.stringify(third)}' ${api}/v1/tenants

  # read the invitations in the built-in mailbox
  ${curl} ${api}/v1/mailbox
`;
}

/** As the shell wants it, also for folders with blanks and quotes in their names. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
