import assert from 'node:assert/strict';
import { operationKinds } from '../../policies/operation.ts';
import * as workflows from '../../workflows/index.ts';
import { registry } from '../../workflows/registry.ts';

describe('the registry of workflows', () => {
  it('R1.4 names exactly the workflows there are', () => {
    const named = Object.values(registry).map((row) => row.workflowType);
    assert.deepEqual(named.toSorted(), Object.keys(workflows).toSorted());
  });

  it('R1.4 has a row for every kind of operation', () => {
    for (const kind of operationKinds) assert.ok(registry[kind], kind);
  });
});
