import assert from 'node:assert/strict';
import { authorize, systemMay } from '../../policies/authorize.ts';
import {
  actions,
  type BuiltInRole,
  permissions,
  platformRoles,
  subjects,
  tenantRoles,
} from '../../policies/permissions.ts';
import { systemActors } from '../../policies/principal.ts';

const roles: BuiltInRole[] = [...tenantRoles, ...platformRoles];
const may = (
  role: string[],
  action: (typeof actions)[number],
  type: (typeof subjects)[number],
  object = {},
) => authorize(role, action, { type, object });

/**
 * What each role may do, approved by a person and written down apart from the table it checks. A row added to
 * policies/permissions.ts fails here until it stands here too.
 */
const approved = `
create Agent: admin builder owner
read Agent: admin auditor builder operator owner viewer
update Agent: admin builder owner
delete Agent: admin builder owner
read Organisation: admin auditor billing builder operator owner viewer
create Tenant: platform-owner
read Tenant: platform-auditor platform-owner platform-support
delete Tenant: platform-owner
suspend Tenant: platform-owner platform-support
reactivate Tenant: platform-owner platform-support
rename Tenant: platform-owner platform-support
read Operation: platform-auditor platform-owner platform-support
retry Operation: platform-owner platform-support
cancel Operation: platform-owner
read PlatformAuditEvent: platform-auditor platform-owner
read Mailbox: platform-owner
`;

describe('what a role may do', () => {
  it('R4.5 is what was approved, over every role, action and subject there is', () => {
    const lines = subjects.flatMap((subject) =>
      actions.flatMap((action) => {
        const allowed = roles.filter((role) => may([role], action, subject).allowed).sort();
        return allowed.length > 0 ? [`${action} ${subject}: ${allowed.join(' ')}`] : [];
      }),
    );
    assert.deepEqual(lines.sort(), approved.trim().split('\n').sort());
  });

  it('R4.5 never reaches from a tenant to the platform or back', () => {
    for (const { scope, roles: holders, action, subject } of permissions) {
      const own: readonly string[] = scope === 'tenant' ? tenantRoles : platformRoles;
      assert.ok(
        holders.every((role) => own.includes(role)),
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
          assert.equal(may([role], action, subject).allowed, false, `${role}: ${action}`);
    assert.equal(may([], 'read', 'Agent').allowed, false);
  });

  it('R4.5 is the sum of several roles, whatever their order, and says which one allowed it', () => {
    for (const both of [
      ['viewer', 'builder'],
      ['builder', 'viewer'],
    ]) {
      const verdict = may(both, 'create', 'Agent');
      assert.deepEqual(verdict, { allowed: true, rule: 'builder may create Agent' });
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
    assert.equal(!hidden.allowed && hidden.visible, false);
  });
});

describe('the object asked about', () => {
  it('R4.5 does not decide its own type: no field of it is believed', () => {
    const fields = { type: 'Organisation', constructor: { name: 'Organisation' } };
    assert.equal(may(['billing'], 'read', 'Agent', fields).allowed, false);
    const cast = { __caslSubjectType__: 'Organisation' };
    assert.throws(() => may(['billing'], 'read', 'Agent', cast), /previously it was casted/);
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
      'system:sweep sweep Platform',
      'system:undo create Tenant',
      'system:undo delete Tenant',
      'system:undo reactivate Tenant',
      'system:undo read Operation',
      'system:undo suspend Tenant',
    ]);
  });
});
