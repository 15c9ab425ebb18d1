import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { send } from '../support/client.ts';
import { useSharedModels } from '../support/people.ts';
import { allow, deny, madeAgent, madeRole, personWith } from '../support/roles.ts';
import { type Member, member, password, sharedUrl } from '../support/tenants.ts';

/**
 * What cannot be told from an answer must not be told by its time either. The two are asked in turns, so that whatever
 * else the machine does falls on both, and their medians compared: no time is asserted, only that neither stands out.
 */
async function medians(one: () => Promise<unknown>, other: () => Promise<unknown>, rounds: number) {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    // First and second in turns as well: the second finds caches warmer.
    const order = round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
    for (const which of order) {
      const from = performance.now();
      await (which === 0 ? one() : other());
      times[which].push(performance.now() - from);
    }
  }
  const middle = (all: number[]) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;
  return { one: middle(times[0]), other: middle(times[1]) };
}

/** Far below what a look-up more or a hash less would make. */
const ratioMax = 1.2;

function alike({ one, other }: { one: number; other: number }): void {
  const ratio = Math.max(one, other) / Math.min(one, other);
  assert.ok(ratio < ratioMax, `medians ${one.toFixed(3)} ms and ${other.toFixed(3)} ms`);
}

describe('the time of an answer', () => {
  let acme: Member;
  let globex: Member;

  before(async () => {
    useSharedModels();
    [acme, globex] = await Promise.all([member({ plan: 'business' }), member({ plan: 'business' })]);
  });

  it('R2.1 does not tell another tenant’s id from one that nobody has', async function () {
    this.timeout(300_000);
    const foreign = await madeAgent(globex);
    const read = (id: string) => acme.call('GET', `/v1/agents/${id}`);
    alike(
      await medians(
        () => read(foreign),
        () => read(newId('agt')),
        1_000,
      ),
    );
  });

  it('R4.5 does not tell what a deny hides from what is not there', async function () {
    this.timeout(300_000);
    const hidden = await madeAgent(acme, { environment: 'production' });
    const denied = deny('read', { when: { environment: { any: ['production'] } } });
    const someone = await personWith(acme, await madeRole(acme, [allow('read'), denied]));
    const read = (id: string) => someone.call('GET', `/v1/agents/${id}`);
    alike(
      await medians(
        () => read(hidden),
        () => read(newId('agt')),
        1_000,
      ),
    );
  });

  it('R4.5 does not tell who has an account: an unknown address takes as long as a wrong password', async function () {
    this.timeout(300_000);
    const signIn = (email: string) =>
      send(
        sharedUrl(),
        'POST',
        '/v1/sessions',
        { email, password: `not ${password}` },
        { 'x-tenant': acme.tenant.slug },
      );
    let at = 0;
    // A new account each time, so that no limit of guesses comes in.
    const people = await Promise.all(Array.from({ length: 30 }, () => personWith(acme)));
    const known = async () => signIn(`${people[at++ % 30]?.id}@example.com`);
    alike(await medians(known, () => signIn(`${newId('usr')}@example.com`), 60));
  });
});
