import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { inTenant } from '../../models/scope.ts';
import { digest } from '../../models/secrets.ts';
import type { Startable } from '../../models/system/operation.ts';
import { openReset } from '../../models/tenant/password-reset.ts';
import { addPerson } from '../../models/tenant/person.ts';
import { askForErrand, placeFor } from '../support/errands.ts';
import { mailsTo } from '../support/mails.ts';
import { keepsItsPromise } from '../support/workflow-harness.ts';

const addressOf = (userId: string) => `${userId}@example.com`;

type Stored = { user_id: string; token_hash: string | null; sent_at: Date | null };

async function stored(operation: Startable): Promise<Stored | undefined> {
  const rows = await inTenant(await placeFor(operation), ({ sql }) =>
    sql<Stored>('SELECT * FROM password_resets WHERE id = $1', [operation.input.subjectId]),
  );
  return rows[0];
}

keepsItsPromise({
  criterion: 'R4.2',
  kind: 'reset-password',
  steps: ['sendPasswordReset', 'closePasswordReset'],
  undos: ['withdrawPasswordReset'],
  ask: (operator) =>
    askForErrand('reset-password', operator, async (tenant, { by }) => {
      const id = newId('usr');
      const email = addressOf(id);
      await addPerson(tenant.sql, { id, email, name: 'Grace', state: 'active' });
      return (await openReset(tenant.sql, id, by.id)).id;
    }),
  kept: async (operation) => {
    const reset = await stored(operation);
    assert.ok(reset?.sent_at);
    const mails = await mailsTo(addressOf(reset.user_id));
    // One whose reply was lost is sent again, and is the same mail.
    assert.ok(mails.length >= 1);
    assert.equal(new Set(mails.map((mail) => mail.messageId)).size, 1);
    const token = /\/password-resets\/(fh_rst_\w+)/.exec(mails[0]?.text ?? '')?.[1] ?? '';
    assert.equal(digest(token), reset.token_hash);
  },
  // A token that was mailed already leads nowhere: its hash is gone with the row.
  undone: async (operation) => assert.equal(await stored(operation), undefined),
});
