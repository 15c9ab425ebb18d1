import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuiltInRole, tenantRoles } from '../../policies/permission.ts';
import { type Depth, ensureFuzzer, fuzz, fuzzMaxMs } from '../support/fuzzer.ts';
import { orSkip } from '../support/installed.ts';
import { keyHolder, useSharedModels } from '../support/people.ts';
import { type Member, member, sharedUrl } from '../support/tenants.ts';
import { worldOf } from '../support/world.ts';

/** Strings of another tenant, which no answer to this one may hold. */
const canary = (what: string) => `canary-${what}-${Math.random().toString(36).slice(2)}`;

describe('requests made from the OpenAPI document', () => {
  let acme: Member;
  let directory: string;
  const canaries = ['name', 'instructions', 'role', 'organisation'].map(canary);

  before(async function () {
    this.timeout(300_000);
    useSharedModels();
    await orSkip(this, ensureFuzzer());
    directory = await mkdtemp(join(tmpdir(), 'freehold-fuzz-'));
    const [name = '', instructions, title, organisation] = canaries;
    const plan = 'business'; // whose rate of requests is high enough for this
    const [mine, other] = await Promise.all([member({ plan }), member({ plan, name: organisation })]);
    acme = mine;
    await worldOf(acme, other);
    await other.call('POST', '/v1/agents', { name, model: 'demo', instructions });
    const rules = [{ effect: 'allow', action: 'read', subject: 'Agent' }];
    await other.call('POST', '/v1/roles', { name: 'canary', title, rules });
    canaries.push(other.email, other.tenant.slug, other.tenant.id);
  });

  after(async () => {
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  // Whoever may do most reaches the most code; the bounds of fields are the same for all.
  const looks: { role: BuiltInRole; depth: Depth }[] = [
    { role: 'owner', depth: 'bounds' },
    { role: 'owner', depth: 'at random' },
    ...tenantRoles.slice(1).map((role) => ({ role, depth: 'a few at random' as const })),
  ];

  for (const { role, depth } of looks) {
    it(`R4.5 find for ${role} (${depth}) no fault of ours, no answer that is not declared, and nothing of another tenant`, async function () {
      this.timeout(fuzzMaxMs + 10_000);
      const { token } = await keyHolder(acme.tenant.id, role);
      const { code, said, requests, report } = await fuzz(sharedUrl(), token, { depth, directory });
      assert.equal(code, 0, said);
      assert.ok(requests > 200, `${requests} requests`);
      const whole = await readFile(report, 'utf8');
      for (const each of canaries) assert.ok(!whole.includes(each), each);
      await rm(report);
    });
  }
});
