import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { authorize, systemMay } from '../../policies/authorize.ts';
import {
  actions,
  type BuiltInRole,
  platformRoles,
  subjects,
  tenantRoles,
} from '../../policies/permission.ts';
import { permissions } from '../../policies/permissions.ts';
import { systemActors } from '../../policies/principal.ts';
import { rightsOfBuiltIn } from '../../policies/rights.ts';

const roles: BuiltInRole[] = [...tenantRoles, ...platformRoles];
const may = (
  role: string[],
  action: (typeof actions)[number],
  type: (typeof subjects)[number],
  object = {},
) => authorize(rightsOfBuiltIn(role), action, { type, object, ids: ['me'] });

/** Of somebody else's, and of one's own. */
const own = { ownerId: 'me' };

/**
 * What each role may do, approved by a person and written down apart from the table it checks. A row added to
 * policies/permissions.ts fails here until it stands here too. In brackets: only of what is their own.
 */
const approved = readFileSync(new URL('./approved-permissions.txt', import.meta.url), 'utf8');

describe('what a role may do', () => {
  it('R4.5 is what was approved, over every role, action and subject there is', () => {
    const lines = subjects.flatMap((subject) =>
      actions.flatMap((action) => {
        const any = roles.filter((role) => may([role], action, subject).allowed).sort();
        const onlyOwn = roles.filter(
          (role) => !any.includes(role) && may([role], action, subject, own).allowed,
        );
        const marked = [...any, ...onlyOwn.sort().map((role) => `(${role})`)];
        return marked.length > 0 ? [`${action} ${subject}: ${marked.join(' ')}`] : [];
      }),
    );
    assert.deepEqual(lines.sort(), approved.trim().split('\n').sort());
  });

  it('R4.5 never reaches from a tenant to the platform or back', () => {
    for (const { scope, roles: holders, ownOnly, action, subject } of permissions) {
      const its: readonly string[] = scope === 'tenant' ? tenantRoles : platformRoles;
      assert.ok(
        [...holders, ...ownOnly].every((role) => its.includes(role)),
        `${action} ${subject}`,
      );
    }
  });

  it('R4.5 is said once: no two rows about one action and subject', () => {
    const rows = permissions.map((row) => `${row.action} ${row.subject}`);
    assert.equal(new Set(rows).size, rows.length);
    assert.ok(permissions.every((row) => row.why.length > 5));
  });

  it('R4.5 is nothing without a role, with an unknown one, or with one that only looks like one', () => {
    for (const role of ['', 'Owner', 'owner ', 'owners', 'platform', '__proto__', 'constructor', '*', 'all'])
      for (const subject of subjects)
        for (const action of actions)
          assert.equal(may([role], action, subject, own).allowed, false, `${role}: ${action}`);
    assert.equal(may([], 'read', 'Agent').allowed, false);
  });

  it('R4.5 is the sum of several roles, whatever their order, and says which one allowed it', () => {
    for (const both of [
      ['viewer', 'builder'],
      ['builder', 'viewer'],
    ]) {
      const verdict = may(both, 'create', 'Agent');
      assert.deepEqual(verdict, { allowed: true, visible: true, rule: 'builder may create Agent' });
    }
    assert.equal(may(['viewer', 'auditor', 'billing'], 'create', 'Agent').allowed, false);
    // Abilities are kept by their roles; one that was asked for before must not answer for another.
    assert.equal(may(['viewer'], 'create', 'Agent').allowed, false);
  });
});

describe('a refusal', () => {
  it('R4.5 tells whether the object may at least be seen, which decides between 403 and 404', () => {
    assert.deepEqual(may(['viewer'], 'delete', 'Agent'), {
      allowed: false,
      visible: true,
      rule: 'no role allows delete Agent',
    });
    const hidden = may(['billing'], 'delete', 'Agent');
    assert.equal(hidden.allowed || hidden.visible, false);
  });
});

describe('the object asked about', () => {
  it('R4.5 does not decide its own type: no field of it is believed', () => {
    const fields = { type: 'Organisation', constructor: { name: 'Organisation' } };
    assert.equal(may(['billing'], 'read', 'Agent', fields).allowed, false);
    const cast = { __caslSubjectType__: 'Organisation' };
    assert.equal(may(['billing'], 'read', 'Agent', cast).allowed, false);
  });

  it('R4.5 is left as it was, so that one row can be asked about twice, as two things', () => {
    const row = Object.freeze({ id: 'x' });
    assert.equal(may(['owner'], 'read', 'Agent', row).allowed, true);
    assert.equal(may(['owner'], 'read', 'Tenant', row).allowed, false);
    assert.deepEqual(Object.keys(row), ['id']);
  });
});

describe('a named part of Freehold', () => {
  it('R4.5 may do what it is for, and nothing more', () => {
    const lines = systemActors.flatMap((actor) =>
      subjects.flatMap((subject) =>
        actions
          .filter((action) => systemMay(actor, action, subject))
          .map((action) => `${actor} ${action} ${subject}`),
      ),
    );
    assert.deepEqual(lines.sort(), [
      'system:delete-tenant delete Tenant',
      'system:delete-tenant read Operation',
      'system:discovery send Discovery',
      'system:integrations update Integration',
      'system:invite-user revoke Invitation',
      'system:meter meter Platform',
      'system:raise-quota update Quota',
      'system:reset-password reset Password',
      'system:retention retain Platform',
      'system:rotate-key rotate EncryptionKey',
      'system:rotate-root-key rotate RootKey',
      // In whose name a run acts is asked at each of its steps; this looks what is wanted of it, and closes it.
      'system:run cancel Run',
      'system:run read Run',
      // Whether the owner of the schedule may start it is asked when it is due (activities/run/owned.ts).
      'system:run-schedule start Run',
      'system:sweep sweep Platform',
      'system:undo create Tenant',
      'system:undo delete Tenant',
      'system:undo reactivate Tenant',
      'system:undo read Operation',
      'system:undo reset Password',
      'system:undo revoke Invitation',
      'system:undo rotate EncryptionKey',
      'system:undo suspend Tenant',
      'system:undo update Quota',
      'system:undo update Setting',
    ]);
  });
});
