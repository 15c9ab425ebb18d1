import assert from 'node:assert/strict';
import { renamable, tenantStates, transitionFault, transitions } from '../../policies/lifecycle.ts';
import { isEnded, lifecycleKinds, operationStates } from '../../policies/operation.ts';
import { permissions } from '../../policies/permissions.ts';

/** Which operation may begin in which state; approved apart from the table it checks. */
const approved: Record<string, string[]> = {
  'provision-tenant': [],
  'suspend-tenant': ['active'],
  'resume-tenant': ['suspended'],
  'delete-tenant': ['active', 'suspended'],
};

describe('a tenant’s life', () => {
  it('R1.4 lets each operation begin in the states that were approved, and in no other', () => {
    for (const kind of lifecycleKinds)
      assert.deepEqual(
        tenantStates.filter((state) => transitionFault(kind, state) === undefined),
        approved[kind],
        kind,
      );
  });

  it('R1.4 says in a sentence why not', () => {
    assert.equal(
      transitionFault('delete-tenant', 'provisioning'),
      'The tenant is provisioning; this needs it to be active or suspended.',
    );
  });

  it('R1.4 ends nowhere but in deleted and failed, which nothing leaves', () => {
    const left = new Set(Object.values(transitions).flatMap((each) => each.from));
    for (const state of ['deleted', 'failed', 'deleting', 'provisioning'] as const)
      assert.ok(!left.has(state) && !renamable.includes(state), state);
    for (const { to } of Object.values(transitions)) assert.ok(to === 'deleted' || left.has(to), to);
  });

  it('R1.5 asks for each operation a permission that exists', () => {
    for (const { kind, action } of Object.values(transitions)) {
      assert.ok(
        permissions.some((row) => row.subject === 'Tenant' && row.action === action),
        kind,
      );
      assert.equal(transitions[kind].kind, kind);
    }
  });

  it('R1.4 knows which operations are over', () => {
    assert.deepEqual(operationStates.filter(isEnded), ['succeeded', 'failed', 'cancelled']);
  });
});
