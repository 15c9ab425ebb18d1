import { DecryptCommand, EncryptCommand, KMSClient } from '@aws-sdk/client-kms';
import { LRUCache } from 'lru-cache';
import type { WrapContext, WrappingKey } from './root-key.ts';

/**
 * A symmetric key in AWS KMS. Tenant and version go as encryption context: KMS binds them to what it encrypts, shows
 * them in CloudTrail, and a key's policy may insist on them. Who we are to AWS is found by its SDK in the usual places.
 */
export type KmsAddress = { arn: string; endpoint?: string | undefined };

const patienceMs = 3_000;
const attempts = 2;
/** One for each key: sockets that one tenant's key service leaves hanging are not waited for by another. */
const clients = new LRUCache<string, KMSClient>({ max: 1_000, dispose: (client) => client.destroy() });

function clientFor({ arn, endpoint }: KmsAddress): KMSClient {
  const region = arn.split(':')[3] ?? '';
  const name = `${arn} ${endpoint ?? ''}`;
  const known = clients.get(name);
  if (known) return known;
  const client = new KMSClient({
    region,
    ...(endpoint && { endpoint }),
    maxAttempts: attempts,
    // Without the last of these a request that takes too long is only warned of.
    requestHandler: {
      connectionTimeout: patienceMs,
      requestTimeout: patienceMs,
      throwOnRequestTimeout: true,
    },
  });
  clients.set(name, client);
  return client;
}

export function awsKey(address: KmsAddress): WrappingKey {
  const send = () => clientFor(address);
  const EncryptionContext = ({ tenantId, version }: WrapContext) => ({
    'freehold:tenant': tenantId,
    'freehold:version': String(version),
  });
  return {
    name: `aws:${address.arn}`,
    async wrap(plain, context) {
      const { CiphertextBlob } = await send().send(
        new EncryptCommand({
          KeyId: address.arn,
          Plaintext: plain,
          EncryptionContext: EncryptionContext(context),
        }),
      );
      if (!CiphertextBlob) throw new Error('the key service answered without a ciphertext');
      return Buffer.from(CiphertextBlob);
    },
    async unwrap(wrapped, context) {
      // The key is named, so that a ciphertext of another key that we may use is refused rather than opened.
      const { Plaintext } = await send().send(
        new DecryptCommand({
          KeyId: address.arn,
          CiphertextBlob: wrapped,
          EncryptionContext: EncryptionContext(context),
        }),
      );
      if (!Plaintext) throw new Error('the key service answered without a plaintext');
      return Buffer.from(Plaintext);
    },
  };
}
