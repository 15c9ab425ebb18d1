import { keyringOf } from '../models/keyring.ts';
import { inTenant } from '../models/scope.ts';
import { digest } from '../models/secrets.ts';
import { markResetSent, setResetToken, unsentReset, withdrawReset } from '../models/tenant/password-reset.ts';
import { tenantUrl } from '../models/tenant-address.ts';
import { activity, type Close, placeFor, type Step } from './activity.ts';
import { closeErrand } from './errand.ts';
import { deliver, minuteOf, senderOf } from './mail.ts';

/**
 * Mails the way to a new password. The token is derived from the tenant's key and the reset, so a mail that has to be
 * sent again carries the same one, and only its hash is ever stored.
 */
export type Resetting = Step & { resetId: string };

export const sendPasswordReset = activity(
  ['reset', 'Password'],
  async ({ tenantId, resetId }: Resetting, _by, requestId) => {
    const place = await placeFor(tenantId);
    const token = (await keyringOf(place)).token('rst', resetId);
    const unsent = await inTenant(place, async ({ sql }) => {
      const found = await unsentReset(sql, resetId);
      if (found) await setResetToken(sql, resetId, digest(token));
      return found;
    });
    if (!unsent) return;
    const sender = await senderOf(tenantId);
    await deliver({
      id: resetId,
      requestId,
      to: { name: unsent.name, address: unsent.email },
      subject: `A new password for ${sender.name}`,
      text: `Hello ${unsent.name},

somebody asked for a new password for your account at ${sender.name}. If it was you, open this link to choose one:

${tenantUrl(sender.slug, `/password-resets/${token}`)}

The link works once, until ${minuteOf(unsent.expiresAt)} UTC, and ends all your sessions. If it was not you, do nothing: your
password stays as it is.
`,
    });
    await inTenant(place, ({ sql }) => markResetSent(sql, resetId));
  },
);

export type ClosingReset = Close & { resetId: string };

export const closePasswordReset = activity(
  ['reset', 'Password'],
  async ({ resetId, ...close }: ClosingReset, by) => {
    await closeErrand({ close, by, state: 'succeeded', subject: { type: 'Password', id: resetId } });
  },
);

export type WithdrawingReset = ClosingReset & { outcome: 'failed' | 'cancelled'; reason: string };

/** A way that could not be mailed, or that its asker may no longer give, leads nowhere. */
export const withdrawPasswordReset = activity(
  ['reset', 'Password'],
  async ({ resetId, outcome, reason, ...close }: WithdrawingReset, by) => {
    await inTenant(await placeFor(close.tenantId), ({ sql }) => withdrawReset(sql, resetId));
    await closeErrand({ close, by, state: outcome, subject: { type: 'Password', id: resetId }, reason });
  },
);
