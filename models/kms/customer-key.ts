import { Refusal } from '../../policies/refusal.ts';
import { config } from '../databases.ts';
import { awsKey, type KmsAddress } from './aws-key.ts';
import type { WrapContext } from './root-key.ts';

/**
 * A key that a tenant keeps in AWS KMS and lets us use. Whatever keeps it from being used (taken away, disabled,
 * scheduled for deletion, not answering) has one outcome: nothing of that tenant opens, and the answer says why.
 */
export type CustomerKey = {
  wrap(plain: Buffer, context: WrapContext): Promise<Buffer>;
  unwrap(wrapped: Buffer, context: WrapContext): Promise<Buffer>;
};

export function customerKey(address: KmsAddress): CustomerKey {
  const key = awsKey(address);
  return {
    wrap: (plain, context) => usable(() => key.wrap(plain, context)),
    unwrap: (wrapped, context) => usable(() => key.unwrap(wrapped, context)),
  };
}

async function usable<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    throw new Refusal(
      'key-unusable',
      `The organisation’s own key cannot be used (${reasonOf(cause)}), so nothing of the organisation opens. Give access to the key back in AWS KMS; within ${config().kms.cacheSeconds} seconds everything is there again.`,
      { cause, retryAfterSeconds: config().kms.cacheSeconds },
    );
  }
}

/** By the name of the error alone: its text comes from outside. */
const reasons: Record<string, string> = {
  AccessDeniedException: 'access to it is denied',
  DisabledException: 'it is disabled',
  KMSInvalidStateException: 'it is disabled or about to be deleted',
  NotFoundException: 'it is not there',
  KeyUnavailableException: 'the key service cannot reach it',
  IncorrectKeyException: 'it is another key',
  InvalidCiphertextException: 'it is another key',
  UnrecognizedClientException: 'AWS does not know this installation',
  CredentialsProviderError: 'this installation has no identity at AWS',
};

function reasonOf(cause: unknown): string {
  return (cause instanceof Error && reasons[cause.name]) || 'the key service does not answer';
}
