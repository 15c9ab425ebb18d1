import { askFor, assertStands } from '../support/lifecycle.ts';
import { keepsItsPromise } from '../support/workflow-harness.ts';

keepsItsPromise({
  criterion: 'R1.4',
  kind: 'resume-tenant',
  steps: ['unblockTenant', 'settleTenant'],
  undos: ['blockTenant', 'settleTenant'],
  ask: (principal) => askFor('resume-tenant', principal, { previous: 'suspended' }),
  kept: (operation) => assertStands(operation, 'active'),
  undone: (operation) => assertStands(operation, 'suspended'),
});
