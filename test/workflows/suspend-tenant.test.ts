import { askFor, assertStands } from '../support/lifecycle.ts';
import { keepsItsPromise } from '../support/workflow-harness.ts';

keepsItsPromise({
  criterion: 'R1.4',
  kind: 'suspend-tenant',
  steps: ['blockTenant', 'settleTenant'],
  undos: ['unblockTenant', 'settleTenant'],
  ask: (principal) => askFor('suspend-tenant', principal, { previous: 'active' }),
  kept: (operation) => assertStands(operation, 'suspended'),
  undone: (operation) => assertStands(operation, 'active'),
});
