import assert from 'node:assert/strict';
import { cellPlatform } from '../../models/databases.ts';
import { resealFor, sealedCounts } from '../../models/resealing.ts';
import { inTenant } from '../../models/scope.ts';
import type { Startable } from '../../models/system/operation.ts';
import { activePersonByEmail } from '../../models/tenant/password-reset.ts';
import { addPerson } from '../../models/tenant/person.ts';
import { askForErrand, placeFor } from '../support/errands.ts';
import { everybody } from '../support/people.ts';
import { keepsItsPromise } from '../support/workflow-harness.ts';

const grace = { id: 'usr_grace', email: 'grace@people.example', name: 'Grace Hopper' };

const versionsOf = async (operation: Startable) => {
  const { cell } = await placeFor(operation);
  const { rows } = await cellPlatform(cell).query<{
    version: number;
    operation_id: string | null;
    open: boolean;
  }>(
    'SELECT version, operation_id, wrapped IS NOT NULL AS open FROM platform.tenant_keys WHERE tenant_id = $1 ORDER BY version',
    [operation.tenantId],
  );
  return rows;
};

/** Whatever version seals: who was there is there, by address as well. */
async function allOpens(operation: Startable): Promise<void> {
  await inTenant(await placeFor(operation), async ({ sql }) => {
    const people = await everybody(sql);
    assert.ok(people.some(({ email, name }) => email === grace.email && name === grace.name));
    assert.equal(await activePersonByEmail(sql, 'GRACE@people.example'), grace.id);
  });
}

keepsItsPromise({
  criterion: 'R2.5',
  kind: 'rotate-key',
  steps: ['addKeyVersion', 'resealColumns', 'closeKeyRotation'],
  noWayBack: ['resealColumns', 'closeKeyRotation'],
  waits: ['untilKeyKnown'],
  undos: ['abandonKeyRotation'],
  ask: (operator) =>
    askForErrand('rotate-key', operator, async (tenant, { by }) => {
      await addPerson(tenant.sql, { ...grace, state: 'active' });
      return by.kind === 'system' ? '' : by.tenantId;
    }),
  kept: async (operation) => {
    const versions = await versionsOf(operation);
    assert.deepEqual(
      versions.map(({ version, operation_id, open }) => [version, operation_id, open]),
      [
        [1, null, true],
        [2, operation.operationId, true],
      ],
    );
    const place = await placeFor(operation);
    const counts = await sealedCounts(place, 2);
    assert.ok(counts.some(({ rows }) => rows > 0));
    assert.deepEqual(
      counts.filter(({ underOlder }) => underOlder > 0),
      [],
    );
    await allOpens(operation);
  },
  // A version that was added may have sealed something, and stays; nothing is lost, and the next rotation takes it along.
  undone: async (operation) => {
    await allOpens(operation);
    const place = await placeFor(operation);
    assert.ok((await resealFor(place, 5_000)).done);
    await allOpens(operation);
  },
});
