import { type AgentPackage, canonical, type PackageContent } from '../policies/agent-package.ts';
import { Refusal } from '../policies/refusal.ts';
import { config } from './databases.ts';
import { derive, fingerprint, isSignatureOf, signature } from './secrets.ts';

/**
 * Packages are signed by the installation, in whose walls both organisations live: the one that takes a package in must
 * not need the key of the one it is from, which may be gone by then.
 */
const seed = () => derive(config().rootKey, 'agent-packages');
const keyId = () => `installation:${fingerprint(seed()).slice(0, 16)}`;

export function signed(content: PackageContent): AgentPackage {
  return {
    ...content,
    signature: { algorithm: 'Ed25519', keyId: keyId(), value: signature(seed(), canonical(content)) },
  };
}

/** Refuses what was not made here, was changed since, is over, or is for somebody else. */
export function insistGenuine(
  { signature: by, ...content }: AgentPackage,
  tenantId: string,
  now: Date,
): PackageContent {
  if (by.keyId !== keyId())
    throw refused(
      'foreign',
      '/package/signature/keyId',
      'It was signed by another installation; only packages of this one can be taken in.',
    );
  if (!isSignatureOf(seed(), canonical(content), by.value))
    throw refused(
      'tampered',
      '/package/signature/value',
      'It was changed after it was signed; have it exported again.',
    );
  if (new Date(content.expiresAt) <= now)
    throw refused(
      'expired',
      '/package/expiresAt',
      `It was good until ${content.expiresAt}; have it exported again.`,
    );
  if (content.recipient !== null && content.recipient !== tenantId)
    throw refused('not-for-you', '/package/recipient', 'It was made for another organisation.');
  return content;
}

function refused(code: string, pointer: string, detail: string): Refusal {
  return new Refusal('unprocessable', `The package is refused. ${detail}`, {
    errors: [{ pointer, code, detail }],
  });
}
