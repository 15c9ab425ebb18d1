import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Display } from './display.ts';
import type { Home } from './home.ts';
import { secretIn, writeSecret } from './secret-file.ts';

/** The public API, as anybody with an operator's key can use it: the demo has no other way in. */
export type Api = { url: string; key: string };

const examples = ['acme', 'globex'];
const folder = new URL('../../examples/tenants/', import.meta.url);

const accepted = z.object({ operation: z.object({ id: z.string() }) });
const found = z.object({ items: z.array(z.object({ state: z.string() })) });
const problem = z.object({ detail: z.string() });
const operation = z.object({
  state: z.enum(['running', 'succeeded', 'failed', 'cancelled', 'parked']),
  steps: z.array(
    z.object({
      name: z.string(),
      title: z.string(),
      state: z.enum(['waiting', 'running', 'done', 'failed', 'undone']),
      startedAt: z.string().nullish(),
      endedAt: z.string().nullish(),
      attempts: z.number(),
    }),
  ),
  problem: problem.nullish(),
});
type Operation = z.infer<typeof operation>;

/** Onboards the example tenants that are not there yet; says which could not be, and leaves those to the next start. */
export async function onboardExamples(api: Api, home: Home, display: Display): Promise<void> {
  const done = join(home.demo, 'done');
  if (existsSync(done)) return;
  let missing = 0;
  for (const slug of examples) {
    const fault = await onboard(api, home, display, slug);
    display.settle();
    if (fault) {
      missing += 1;
      display.say(`  ${slug} was not onboarded: ${fault} The next start tries again.`);
    }
  }
  if (missing === 0) await writeSecret(done, '');
}

async function onboard(api: Api, home: Home, display: Display, slug: string): Promise<string | undefined> {
  const body = await readFile(new URL(`${slug}.json`, folder), 'utf8');
  const { name, region } = z.object({ name: z.string(), region: z.string() }).parse(JSON.parse(body));
  const existing = found.parse(await (await ask(api, `/v1/tenants?slug=${slug}`)).json());
  if (existing.items.some(({ state }) => state === 'active')) return undefined;

  const started = Date.now();
  display.say(
    `\nOnboarding ${name} in region ${region}: POST /v1/tenants with examples/tenants/${slug}.json`,
  );
  // The same key after an interruption, so that the same onboarding goes on; a new one after a failure.
  const keyFile = join(home.demo, slug);
  const idempotencyKey = await secretIn(keyFile, () => crypto.randomUUID());
  const answer = await ask(api, '/v1/tenants', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': idempotencyKey },
    body,
  });
  const fault = answer.ok
    ? await follow(api, display, accepted.parse(await answer.json()).operation.id)
    : await faultIn(answer);
  if (fault) await rm(keyFile);
  else display.show(slug, { mark: 'done', text: `${name} is onboarded`, started, ended: Date.now() });
  return fault;
}

/** Shows the steps until the operation is over; undefined when it succeeded, otherwise why not. */
async function follow(api: Api, display: Display, id: string): Promise<string | undefined> {
  for (;;) {
    const answer = await ask(api, `/v1/operations/${id}`, { headers: { Prefer: 'wait=10' } });
    if (!answer.ok) return faultIn(answer);
    const seen = operation.parse(await answer.json());
    showSteps(display, seen);
    if (seen.state === 'succeeded') return undefined;
    if (seen.state !== 'running') return seen.problem?.detail ?? `Its operation ${id} is ${seen.state}.`;
    await sleep(50);
  }
}

function showSteps(display: Display, { steps }: Operation): void {
  for (const { name, title, state, startedAt, endedAt, attempts } of steps) {
    display.show(name, {
      mark: state,
      text: attempts > 1 ? `${title} (attempt ${attempts})` : title,
      ...(startedAt && { started: Date.parse(startedAt) }),
      ...(endedAt && { ended: Date.parse(endedAt) }),
    });
  }
}

async function faultIn(answer: Response): Promise<string> {
  const read = problem.safeParse(await answer.json().catch(() => undefined));
  return read.success ? read.data.detail : `The API answered ${answer.status}.`;
}

function ask(
  { url, key }: Api,
  path: string,
  request: RequestInit & { headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(url + path, {
    ...request,
    headers: { ...request.headers, Authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(30_000),
  });
}
